/** `connect` as a server gives it to pages: without an address it reaches the server that the file came from. */

import { connect, type Client, type Options } from "../src/index.js";

/**
 * Make a `connect` whose address may be left out.
 *
 * @param file - the address of the script or module that the page loaded from a server. A token is taken from the
 *   page's own address (`#token=T`), as in the address that `myocast serve` prints.
 */
export function connectToServerOf(file: string): (url?: string | URL, options?: Options) => Client {
  return (url = new URL(location.hash, new URL(".", file)), options = {}) => connect(url, options);
}
