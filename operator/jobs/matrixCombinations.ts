/**
 * The combinations of a PeriodicSet: every choice of one value for each name of the matrix, without those that exclude names, and with
 * what include adds. Names are taken in alphabetical order, because an API server does not keep the order of an object's fields; values
 * in the order they are written in. So equal specs give equal combinations in equal order.
 */
import { maxCombinations, type PeriodicSetSpec } from '../../crds/v1/periodicSet.ts';

/** Values by name, names in alphabetical order. */
export type Combination = ReadonlyMap<string, string>;

export interface MatrixFault {
  /** Such as spec.matrix. */
  readonly path: string;
  readonly message: string;
}

export type Combinations =
  { readonly ok: true; readonly combinations: readonly Combination[] } | { readonly ok: false; readonly fault: MatrixFault };

/** Before exclude: a matrix is never larger than this, whatever is left of it. */
const maxProduct = 10_000;

type Values = Readonly<Record<string, string>>;

export function combinationsOf({ matrix = {}, include = [], exclude = [] }: Omit<PeriodicSetSpec, 'template'>): Combinations {
  const names = Object.keys(matrix).sort();
  const size = names.reduce((product, name) => product * (matrix[name]?.length ?? 0), names.length === 0 ? 0 : 1);
  if (size > maxProduct) return refused('spec.matrix', `makes ${size} combinations, and at most ${maxProduct} are allowed before exclude`);
  const ofMatrix = productOf(names, matrix).filter((values) => !exclude.some((left) => agrees(left, values)));
  const combinations = withIncludes(ofMatrix, new Set(names), include).map(sorted);
  if (combinations.length > maxCombinations)
    return refused('spec', `asks for ${combinations.length} Periodics, and a set makes at most ${maxCombinations}: use several sets`);
  if (combinations.length === 0)
    return refused('spec.exclude', 'leaves no combination: delete the set to delete its Periodics, or suspend them in the template');
  return { ok: true, combinations };
}

/** `region=eu, stage=beta`. */
export const describeCombination = (combination: Combination): string =>
  [...combination].map(([name, value]) => `${name}=${value}`).join(', ');

const refused = (path: string, message: string): Combinations => ({ ok: false, fault: { path, message } });

const sorted = (values: ReadonlyMap<string, string>): Combination => new Map([...values].sort(([a], [b]) => (a < b ? -1 : 1)));

function productOf(names: readonly string[], matrix: Readonly<Record<string, readonly string[]>>): readonly Map<string, string>[] {
  if (names.length === 0) return [];
  return names.reduce<readonly Map<string, string>[]>(
    (combinations, name) => combinations.flatMap((values) => (matrix[name] ?? []).map((value) => new Map(values).set(name, value))),
    [new Map()],
  );
}

/** Whether the combination has all these values. */
const agrees = (values: Values, combination: ReadonlyMap<string, string>): boolean =>
  Object.entries(values).every(([name, value]) => combination.get(name) === value);

/**
 * An include goes to each combination of the matrix whose own values it does not contradict; what earlier includes added may be
 * replaced. One that fits nowhere is a combination of its own, to which later ones are not added.
 */
function withIncludes(
  ofMatrix: readonly Map<string, string>[],
  names: ReadonlySet<string>,
  include: readonly Values[],
): readonly ReadonlyMap<string, string>[] {
  const further: ReadonlyMap<string, string>[] = [];
  for (const values of include) {
    const own = Object.fromEntries(Object.entries(values).filter(([name]) => names.has(name)));
    const fitting = ofMatrix.filter((combination) => agrees(own, combination));
    for (const combination of fitting) for (const [name, value] of Object.entries(values)) combination.set(name, value);
    if (fitting.length === 0) further.push(new Map(Object.entries(values)));
  }
  return [...ofMatrix, ...further];
}
