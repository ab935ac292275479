/** Names of an earlier version that still work. */

const warned = new Set<string>();

/** Say once that `old` is now called `name`. */
export function deprecated(old: string, name: string): void {
  if (warned.has(old)) return;
  warned.add(old);
  console.warn(`@myocast/client: ${old} is deprecated and goes with version 0.2; use ${name}`);
}
