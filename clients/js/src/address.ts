/** Where a server's parts are, from the one address that a person copies. */

import type { StreamName } from "./messages.js";

const STREAM_PATH = /v1\/stream\/?$/;

/** A server's addresses. The token may come with the address, as the server prints it: `…/#token=T`. */
export class Address {
  /** Base of the HTTP API, ends in `/`. A reverse proxy's path prefix is kept. */
  readonly http: string;
  readonly token: string | null;

  /**
   * @param url - `http(s)://host:port/`, `ws(s)://host:port/v1/stream` or anything between.
   * @param token - wins over one in the address.
   * @throws TypeError - not an absolute http, https, ws or wss address.
   */
  constructor(url: string | URL, token?: string | null) {
    const parsed = new URL(url);
    const scheme = /^(http|ws)(s?):$/.exec(parsed.protocol);
    if (!scheme) {
      throw new TypeError(`expected an http, https, ws or wss address, got "${parsed.protocol}//": ${String(url)}`);
    }
    const path = parsed.pathname.replace(STREAM_PATH, "").replace(/[^/]*\.html$/, "");
    this.http = `http${scheme[2]}://${parsed.host}${path.endsWith("/") ? path : `${path}/`}`;
    this.token =
      token ?? new URLSearchParams(parsed.hash.slice(1)).get("token") ?? parsed.searchParams.get("token");
  }

  /** Address of the stream with its subscription and token in the query. */
  stream(streams: readonly StreamName[], maxRate: number | null): string {
    const query = new URLSearchParams({ streams: streams.join(",") });
    if (maxRate !== null) query.set("max_rate", String(maxRate));
    if (this.token !== null) query.set("token", this.token);
    // Commas are legal in a query, and a person reads this address in the tools of a browser.
    return `${this.http.replace(/^http/, "ws")}v1/stream?${query.toString().replaceAll("%2C", ",")}`;
  }

  /** The same server, asked as somebody without a token. */
  withoutToken(): Address {
    return new Address(this.http);
  }

  /** Headers that every request to the API carries. */
  get headers(): Record<string, string> {
    return this.token === null ? {} : { Authorization: `Bearer ${this.token}` };
  }
}
