/** Names of files that a person gives: recordings and models. */

/** What may be typed: spaces as well, which become dashes. */
export const NAME_PATTERN = "\\s*[A-Za-z0-9][A-Za-z0-9._\\-\\s]*";
export const NAME_TITLE = "Letters, digits, spaces, dot, dash, underscore; starts with a letter or digit.";

/** The name as a file has it: `fist and rest` becomes `fist-and-rest`. */
export function fileName(typed: string): string {
  return typed.trim().replace(/\s+/g, "-");
}
