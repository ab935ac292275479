/** Words of commands that a person copies into a terminal. */

/** A path or address as one word of a command line. */
export function quoted(text: string): string {
  if (isWindowsPath(text)) return /^[\w@+=:,.\\/-]+$/.test(text) ? text : `"${text}"`;
  return /^[\w@+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Whether this is a path with a drive letter or on a share. */
export function isWindowsPath(text: string): boolean {
  return /^([A-Za-z]:|\\\\)/.test(text);
}
