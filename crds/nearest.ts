/**
 * The name that was probably meant: the one with the fewest changed, added, missing or swapped letters, if those are few.
 */

/** Edit distance in which two swapped neighbours count as one change. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  const cell = (row: number, column: number): number => rows[row]?.[column] ?? Number.POSITIVE_INFINITY;
  for (let row = 1; row <= a.length; row++) {
    rows.push([row]);
    for (let column = 1; column <= b.length; column++) {
      const change = a[row - 1] === b[column - 1] ? 0 : 1;
      const isSwap = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const best = Math.min(cell(row - 1, column) + 1, cell(row, column - 1) + 1, cell(row - 1, column - 1) + change);
      rows[row]?.push(isSwap ? Math.min(best, cell(row - 2, column - 2) + 1) : best);
    }
  }
  return cell(a.length, b.length);
}

const longest = 64;

/** The nearest of the names, or undefined when none is near. Case, `_` and `-` do not count. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  if (name.length > longest) return undefined;
  const plain = (text: string): string => text.toLowerCase().replace(/[-_]/g, '');
  const near = names
    .map((candidate) => ({ candidate, changes: distance(plain(name), plain(candidate)) }))
    .filter(({ changes }) => changes <= Math.max(1, Math.floor(name.length / 3)));
  return near.sort((a, b) => a.changes - b.changes)[0]?.candidate;
}
