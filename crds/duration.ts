/**
 * Go durations, as Kubernetes and Prow write them: 1h30m, 1.5h, 300ms. Inside the program a duration is a number of milliseconds.
 * What Go's time.ParseDuration takes is taken, what it refuses is refused; the only loss is below a millisecond's double precision.
 */

/** The text is not a Go duration. */
export class DurationError extends Error {
  readonly code = 'DURATION_INVALID';
  override readonly name = 'DurationError';
}

const unitMs: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['μs', 1e-3],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

/** Go counts nanoseconds in 64 bits: about 292 years. */
const longestMs = 2 ** 63 / 1e6;

const part = /([0-9]*)(?:\.([0-9]*))?([a-zµμ]+)/y;

/**
 * Milliseconds of a Go duration, possibly with a fraction (500us is 0.5) and possibly negative.
 * @throws DurationError that says what is wrong
 */
export function parseDuration(text: string): number {
  const sign = text.startsWith('-') ? -1 : 1;
  const body = text.replace(/^[-+]/, '');
  if (body === '0') return 0;
  if (body === '') throw new DurationError(`invalid duration ${JSON.stringify(text)}: write a number with a unit, such as 30s or 1h30m`);
  const totalMs = sumOfParts(text, body);
  if (totalMs >= longestMs) throw new DurationError(`invalid duration ${JSON.stringify(text)}: longer than 292 years`);
  return totalMs === 0 ? 0 : sign * totalMs;
}

function sumOfParts(text: string, body: string): number {
  let totalMs = 0;
  part.lastIndex = 0;
  while (part.lastIndex < body.length) {
    const [, whole = '', fraction = '', unit = ''] = part.exec(body) ?? [];
    if (whole + fraction === '') throw problem(text, body);
    const ms = unitMs.get(unit);
    if (ms === undefined)
      throw new DurationError(`invalid duration ${JSON.stringify(text)}: unknown unit ${JSON.stringify(unit)}; use h, m, s, ms, us or ns`);
    totalMs += Number(`${whole || '0'}.${fraction || '0'}`) * ms;
  }
  return totalMs;
}

function problem(text: string, body: string): DurationError {
  const advice = /[0-9.]$/.test(body) ? 'missing unit; write 30s, 10m or 1h30m' : 'write a number with a unit, such as 30s or 1h30m';
  return new DurationError(`invalid duration ${JSON.stringify(text)}: ${advice}`);
}

/** The Go form of a number of milliseconds: 1h30m0s, 1.5s, 300ms, 0s. Rounded to whole nanoseconds. */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) throw new DurationError(`not a duration: ${ms}`);
  const ns = BigInt(Math.round((Math.abs(ms) % 1000) * 1e6)) + BigInt(Math.trunc(Math.abs(ms) / 1000)) * 1_000_000_000n;
  const sign = ms < 0 && ns > 0n ? '-' : '';
  return sign + formatNanoseconds(ns);
}

const trimmed = (whole: bigint, fraction: bigint, digits: number): string => {
  const decimals = fraction.toString().padStart(digits, '0').replace(/0+$/, '');
  return decimals === '' ? whole.toString() : `${whole}.${decimals}`;
};

function formatNanoseconds(ns: bigint): string {
  if (ns === 0n) return '0s';
  if (ns < 1000n) return `${ns}ns`;
  if (ns < 1_000_000n) return `${trimmed(ns / 1000n, ns % 1000n, 3)}µs`;
  if (ns < 1_000_000_000n) return `${trimmed(ns / 1_000_000n, ns % 1_000_000n, 6)}ms`;
  const second = 1_000_000_000n;
  const hours = ns / (3600n * second);
  const minutes = (ns / (60n * second)) % 60n;
  const seconds = `${trimmed((ns / second) % 60n, ns % second, 9)}s`;
  if (hours > 0n) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0n ? `${minutes}m${seconds}` : seconds;
}
