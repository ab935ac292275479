/** Why a stream could not be opened, from the HTTP API, since browsers hide that from a page. */

import type { Address } from "./address.js";
import { Api, ApiError } from "./api.js";
import type { ConnectionError } from "./connection.js";

/**
 * Request the reason why a server did not open the stream.
 *
 * @param timeoutMs - how long it may take to answer, ms.
 * @returns the server's error, `unreachable` where no server answers, or `null` where the API accepts this client.
 */
export async function handshakeError(
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

// A browser does not send a token to a server that does not list the page's origin: it sends a CORS
// preflight first, and the page gets no reason. A request without a token is sent, and the answer to it can be read.
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
