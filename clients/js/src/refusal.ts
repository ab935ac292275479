/** Why a stream could not be opened: browsers keep that from a page, so the API is asked. */

import type { Address } from "./address.js";
import { Api, ApiError } from "./api.js";
import type { ConnectionError } from "./connection.js";

/**
 * Ask a server why it did not open the stream.
 *
 * @param timeoutMs - how long it may take to answer, ms.
 * @returns its refusal, `unreachable` where nobody answers, or `null` where the API has nothing against this client.
 */
export async function askWhy(
  address: Address,
  fetcher: typeof fetch,
  timeoutMs: number,
): Promise<ConnectionError | null> {
  try {
    await new Api(address, fetcher).status(AbortSignal.timeout(timeoutMs));
    return null;
  } catch (error) {
    if (error instanceof ApiError) return { code: error.code, message: error.message };
    const refusal = address.token === null ? null : await originRefusal(address, fetcher, timeoutMs);
    return refusal ?? { code: "unreachable", message: `no server answers at ${address.http}` };
  }
}

// A browser does not send a token to a server that does not list the page's origin: it asks the server first (a CORS
// preflight), and the page learns nothing. A request without a token is sent, and the answer to it can be read.
async function originRefusal(
  address: Address,
  fetcher: typeof fetch,
  timeoutMs: number,
): Promise<ConnectionError | null> {
  try {
    await new Api(address.withoutToken(), fetcher).status(AbortSignal.timeout(timeoutMs));
  } catch (error) {
    if (error instanceof ApiError && error.code === "forbidden") return { code: error.code, message: error.message };
  }
  return null;
}
