/** Times as status and annotations carry them: RFC 3339 in UTC with whole seconds, as metav1.Time is written. */

export const stamp = (ms: number): string => `${new Date(Math.floor(ms / 1000) * 1000).toISOString().slice(0, 19)}Z`;

/** Milliseconds since the epoch; undefined for what is missing or no time. */
export function timeMs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}
