/** The access token: from the address's fragment, kept for this tab, never left in the address bar. */

const KEY = "myocast.token";

/** Take a token out of `#token=T` (and out of the address bar), or the one that this tab kept. */
export function takeToken(): string | null {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const given = fragment.get("token");
  if (given === null) return sessionStorage.getItem(KEY);
  fragment.delete("token");
  const rest = fragment.toString();
  history.replaceState(history.state, "", `${location.pathname}${location.search}${rest ? `#${rest}` : ""}`);
  keepToken(given);
  return given;
}

export function keepToken(token: string): void {
  sessionStorage.setItem(KEY, token);
}
