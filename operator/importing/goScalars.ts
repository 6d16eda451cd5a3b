/**
 * Scalars as Prow reads them. Its configuration is parsed by a YAML 1.1 library for Go and then decoded as JSON into typed fields: a bare
 * `yes` is true, `0777` is 511, `1:30` is text, and a number or boolean in a field for text becomes text again, in Go's spelling. What a
 * job meant there is what it must mean here.
 */

export type ScalarValue = string | number | bigint | boolean | null;

const booleans: ReadonlyMap<string, boolean> = new Map([
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map((word) => [word, true] as const),
  ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map((word) => [word, false] as const),
]);
const nulls: ReadonlySet<string> = new Set(['', '~', 'null', 'Null', 'NULL']);

const integer = /^([-+]?)(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)$/;
const float = /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/;
/** Beyond these Go has no integer and takes a float. */
const largestInteger = 2n ** 64n - 1n;
const smallestInteger = -(2n ** 63n);

/** The value of a plain scalar, that is one without quotes. */
export function readPlainScalar(text: string): { readonly value: ScalarValue; readonly isFloat: boolean } {
  if (nulls.has(text)) return { value: null, isFloat: false };
  const word = booleans.get(text);
  if (word !== undefined) return { value: word, isFloat: false };
  if (!/^[-+.0-9]/.test(text)) return { value: text, isFloat: false };
  const plain = text.replaceAll('_', '');
  const [, sign = '', digits] = integer.exec(plain) ?? [];
  if (digits !== undefined) {
    const value = (sign === '-' ? -1n : 1n) * BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits);
    if (value <= largestInteger && value >= smallestInteger) return { value: narrowed(value), isFloat: false };
  }
  const isFloat = float.test(plain) && Number.isFinite(Number(plain));
  return { value: isFloat ? Number(plain) : text, isFloat };
}

const narrowed = (value: bigint): number | bigint => (Number.isSafeInteger(Number(value)) ? Number(value) : value);

/** What a field for text holds when a scalar of another type is written there. */
export const asGoText = (value: ScalarValue, isFloat: boolean): string =>
  value === null ? '' : isFloat && typeof value === 'number' ? goFloat(value) : String(value);

/** Go's shortest text of a float of 32 bits: that is how the library writes it, whatever digits are lost. */
function goFloat(value: number): string {
  const short = Math.fround(value);
  const digits = [1, 2, 3, 4, 5, 6, 7, 8].find((count) => Math.fround(Number(short.toPrecision(count))) === short) ?? 9;
  const [mantissa = '', exponentText = '0'] = short.toExponential(digits - 1).split('e');
  const exponent = Number(exponentText);
  if (Object.is(short, -0)) return '-0';
  if (exponent >= -4 && exponent < 6) return short.toFixed(Math.max(0, digits - 1 - exponent));
  return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}
