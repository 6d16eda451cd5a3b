/**
 * From a PeriodicSet to its Periodics: a pure function of the spec. Each Periodic is checked as an API server would check it, and as the
 * reconciler of Periodics would, so that a bad edit is found before the first object is written.
 */
import { customResourceDefinitions } from '../../crds/definitions.ts';
import { checkMetadata } from '../../crds/metadata.ts';
import { StructuralSchema } from '../../crds/structural.ts';
import { apiVersion } from '../../crds/v1/common.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PeriodicSet, PeriodicSetSpec } from '../../crds/v1/periodicSet.ts';
import { combinationsOf, describeCombination, type Combination, type MatrixFault } from './matrixCombinations.ts';
import { compileTemplate, type CompiledTemplate } from './matrixTemplate.ts';
import { checkPeriodic } from './semanticChecks.ts';

/** A Periodic as the template says, without what only a cluster gives it. */
export interface SetChild {
  readonly combination: Combination;
  readonly periodic: Periodic;
}

export type ExpansionReason = 'InvalidMatrix' | 'InvalidTemplate' | 'NameClash';

export interface ExpansionProblem {
  readonly reason: ExpansionReason;
  /** The field of the set that is to blame. */
  readonly path: string;
  /** What is wrong, without the combinations. */
  readonly message: string;
  /** The combinations it is wrong for; empty: for all, because nothing could be made. */
  readonly combinations: readonly Combination[];
}

export interface Expansion {
  /** How many Periodics the set asks for; 0 when that cannot be said. */
  readonly desired: number;
  /** Those that can be made, in the order of the combinations. No two have one name. */
  readonly children: readonly SetChild[];
  readonly problems: readonly ExpansionProblem[];
  /** What is accepted and looks like a slip. */
  readonly warnings: readonly MatrixFault[];
}

/** All texts of all Periodics together. */
const maxCharacters = 20_000_000;
/** A Periodic with a longer name has runs whose names are cut and carry a hash. */
const longestPlainName = 48;

type Drafts = { readonly made: readonly SetChild[]; readonly problems: readonly ExpansionProblem[] };

export function expandSet(set: PeriodicSet): Expansion {
  const { spec } = set;
  const found = combinationsOf(spec);
  if (!found.ok) return nothing(0, 'InvalidMatrix', [found.fault]);
  const { combinations } = found;
  const template = compileTemplate(spec.template, new Set(combinations.flatMap((values) => [...values.keys()])));
  if (template.faults.length > 0) return nothing(combinations.length, 'InvalidTemplate', template.faults);
  const drafts = draftsOf(set, combinations, template);
  if (drafts === undefined) {
    const message = `the Periodics together would hold more than ${maxCharacters} characters: use fewer combinations or a smaller template`;
    return nothing(combinations.length, 'InvalidTemplate', [{ path: 'spec.template', message }]);
  }
  const clashes = clashesOf(drafts.made);
  const clashing = new Set(clashes.flatMap((problem) => problem.combinations));
  const sound: SetChild[] = [];
  const problems = [...drafts.problems, ...clashes];
  for (const child of drafts.made) {
    if (clashing.has(child.combination)) continue;
    const faults = faultsOf(child.periodic);
    if (faults.length === 0) sound.push(child);
    else problems.push(...faults.map((fault): ExpansionProblem => problemOf(fault, child.combination)));
  }
  return {
    desired: combinations.length,
    children: sound,
    problems: grouped(problems),
    warnings: warningsOf(spec, template, sound),
  };
}

const nothing = (desired: number, reason: ExpansionReason, faults: readonly MatrixFault[]): Expansion => ({
  desired,
  children: [],
  problems: faults.map((fault) => ({ reason, ...fault, combinations: [] })),
  warnings: [],
});

const problemOf = ({ path, message }: MatrixFault, combination: Combination): ExpansionProblem => ({
  reason: 'InvalidTemplate',
  path,
  message,
  combinations: [combination],
});

/** Undefined: they would be too large together. */
function draftsOf(set: PeriodicSet, combinations: readonly Combination[], template: CompiledTemplate): Drafts | undefined {
  const { namespace } = set.metadata;
  const made: SetChild[] = [];
  const problems: ExpansionProblem[] = [];
  let size = 0;
  for (const combination of combinations) {
    const filled = template.fill(combination);
    if (!filled.ok) {
      problems.push(problemOf(filled.fault, combination));
      continue;
    }
    size += filled.size;
    if (size > maxCharacters) return undefined;
    const { metadata, spec } = filled.value as Pick<Periodic, 'metadata' | 'spec'>;
    const periodic: Periodic = {
      apiVersion,
      kind: 'Periodic',
      metadata: { ...metadata, ...(namespace === undefined ? {} : { namespace }) },
      spec,
    };
    made.push({ combination, periodic });
  }
  return { made, problems };
}

function clashesOf(children: readonly SetChild[]): readonly ExpansionProblem[] {
  const byName = Map.groupBy(children, ({ periodic }) => periodic.metadata.name);
  return [...byName].flatMap(([name, same]): readonly ExpansionProblem[] => {
    if (same.length === 1) return [];
    const combinations = same.map(({ combination }) => combination);
    const message = `${combinations.length} combinations come to the name ${JSON.stringify(name)}, so none of them is made`;
    return [{ reason: 'NameClash', path: 'spec.template.metadata.name', message, combinations }];
  });
}

/** Compiled when first needed: a process without sets has no use for it. */
let compiledSchema: StructuralSchema | undefined;

function periodicSchema(): StructuralSchema {
  if (compiledSchema !== undefined) return compiledSchema;
  const crd = customResourceDefinitions().find(({ spec }) => spec.names.kind === 'Periodic');
  compiledSchema = new StructuralSchema(crd?.spec.versions[0]?.schema.openAPIV3Schema);
  return compiledSchema;
}

/** What an API server, and then the reconciler of Periodics, would say, at the paths of the template. */
function faultsOf(periodic: Periodic): readonly MatrixFault[] {
  const schema = periodicSchema();
  const inTemplate = (path: string): string => (path === '' || path === '<nil>' ? 'spec.template' : `spec.template.${path}`);
  const faults = [
    ...checkMetadata(periodic.metadata),
    ...schema.pruneFields(periodic).fields.map(({ path }) => ({ path, message: 'unknown field' })),
    ...schema.validate(schema.applyDefaults(periodic)),
  ];
  const all = faults.length > 0 ? faults : checkPeriodic(periodic).filter(({ severity }) => severity !== 'warning');
  return all.map(({ path, message }) => ({ path: inTemplate(path), message }));
}

/** One problem for all combinations that have it. */
function grouped(problems: readonly ExpansionProblem[]): readonly ExpansionProblem[] {
  const groups = Map.groupBy(problems, ({ reason, path, message }) => JSON.stringify([reason, path, message]));
  return [...groups.values()].flatMap((same) => {
    const [first] = same;
    return first === undefined ? [] : [{ ...first, combinations: same.flatMap(({ combinations }) => combinations) }];
  });
}

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);

function warningsOf(spec: PeriodicSetSpec, { used }: CompiledTemplate, children: readonly SetChild[]): readonly MatrixFault[] {
  const { matrix = {}, include = [], exclude = [] } = spec;
  const warnings: MatrixFault[] = [];
  const unused = (path: string, name: string): void => {
    if (!used.has(name)) warnings.push({ path, message: `the template has no \${${name}}` });
  };
  for (const name of Object.keys(matrix).sort()) unused(`spec.matrix.${name}`, name);
  const added = new Set(include.flatMap((values) => Object.keys(values)).filter((name) => !Object.hasOwn(matrix, name)));
  for (const name of [...added].sort()) unused('spec.include', name);
  for (const [index, values] of exclude.entries()) {
    const idle = Object.entries(values)
      .sort(byName)
      .find(([name, value]) => !Object.hasOwn(matrix, name) || matrix[name]?.includes(value) !== true);
    if (idle !== undefined)
      warnings.push({ path: `spec.exclude[${index}]`, message: `leaves nothing out: no combination of the matrix has ${idle.join('=')}` });
  }
  const long = children.filter(({ periodic }) => periodic.metadata.name.length > longestPlainName);
  const [first] = long;
  if (first !== undefined) {
    const message = `${long.length} names are longer than ${longestPlainName} characters, such as ${first.periodic.metadata.name}: the names of their runs are cut and carry a hash`;
    warnings.push({ path: 'spec.template.metadata.name', message });
  }
  return warnings;
}

/** How a problem is shown: the message, and for which combinations, at most so many of them by name. */
export function describeProblem({ message, combinations }: ExpansionProblem, shown = 3): string {
  if (combinations.length === 0) return message;
  const named = combinations.slice(0, shown).map(describeCombination);
  const more = combinations.length > shown ? ` and ${combinations.length - shown} more` : '';
  return `${message} (${named.join('; ')}${more})`;
}

/** Whether the set could make a Periodic of this name: cheap, and true more often than it has to be. */
export function mayMake(set: PeriodicSet, name: string): boolean {
  const template = set.spec.template.metadata.name;
  const first = template.indexOf('${');
  if (first < 0) return template === name;
  return name.startsWith(template.slice(0, first)) && name.endsWith(template.slice(template.lastIndexOf('}') + 1));
}
