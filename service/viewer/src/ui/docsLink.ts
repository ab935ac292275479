/** Addresses of the page that the server gives at `/docs`. */

/** Sections of that page, by their ids. */
export type DocsSection = "armband" | "models" | "recordings";

/** Where `/docs` is, with the token: a server that has one asks for it there, too. */
export function docsAddress(token: string | null, section?: DocsSection): string {
  const address = new URL("docs", location.href);
  address.search = token === null ? "" : `?token=${encodeURIComponent(token)}`;
  address.hash = section ?? "";
  return address.href;
}
