/** The access token: taken from the URL's fragment, removed from the address bar, kept for this tab. */

const STORAGE_KEY = "myocast.token";

/** The token of `#token=T`, which is removed from the address bar and kept, or the one kept before. */
export function takeToken(): string | null {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const given = fragment.get("token");
  if (given === null) return sessionStorage.getItem(STORAGE_KEY);
  fragment.delete("token");
  const rest = fragment.toString();
  history.replaceState(history.state, "", `${location.pathname}${location.search}${rest ? `#${rest}` : ""}`);
  keepToken(given);
  return given;
}

export function keepToken(token: string): void {
  sessionStorage.setItem(STORAGE_KEY, token);
}
