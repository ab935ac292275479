/** Formats of durations, sizes and times. */

/** `1:05`, or `2:01:05` from an hour on. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = String(s).padStart(2, "0");
  return h > 0 ? `${h}:${String(m).padStart(2, "0")}:${tail}` : `${m}:${tail}`;
}

/** Bytes with a decimal unit. */
export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  if (count < 1e6) return `${(count / 1e3).toFixed(0)} kB`;
  if (count < 1e9) return `${(count / 1e6).toFixed(1)} MB`;
  return `${(count / 1e9).toFixed(2)} GB`;
}

/** One decimal below 10 ms. Negative values, which clock correction can give, show as 0. */
export function milliseconds(value: number): string {
  if (value < 0) return "0";
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}
