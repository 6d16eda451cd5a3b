/** Times as status and annotations carry them: RFC 3339 in UTC with whole seconds, as metav1.Time is written. */

/** RFC 3339 ends with the year 9999, which is what people write for "never". What lies behind it cannot be written. */
const lastStampMs = Date.UTC(9999, 11, 31, 23, 59, 59);

/** Undefined for an instant that no stamp can carry. */
export const writable = (ms: number | undefined): number | undefined => (ms !== undefined && ms <= lastStampMs ? ms : undefined);

export const stamp = (ms: number): string => `${new Date(Math.floor(ms / 1000) * 1000).toISOString().slice(0, 19)}Z`;

/** Milliseconds since the epoch; undefined for what is missing or no time. */
export function timeMs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
