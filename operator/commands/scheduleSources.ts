/** Where `prow-operator schedule` gets Periodics from: manifests, with those that PeriodicSets in them make, or a live namespace. */
import { periodics } from '../../crds/resources.ts';
import { validateManifests, type SourceFile, type ValidationProblem } from '../../crds/validate.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PeriodicSet } from '../../crds/v1/periodicSet.ts';
import { checkPeriodicSet } from '../jobs/matrixChecks.ts';
import { expandSet } from '../jobs/matrixChildren.ts';
import { anchorOf } from '../jobs/periodicAnchor.ts';
import { parseSchedule, scheduleSeed, type Anchor } from '../jobs/schedule.ts';
import type { Planned } from '../jobs/slotForecast.ts';
import type { KubeClient } from '../kube/client.ts';

export interface ScheduleEntry extends Planned {
  /** namespace/name; the name alone where the manifest has no namespace. */
  readonly name: string;
  /** The object as it was found. */
  readonly written: Periodic;
  /** The file. Absent: it lives in a cluster, and what it counts from is known. */
  readonly file?: string;
}

export interface ScheduleSources {
  readonly entries: readonly ScheduleEntry[];
  readonly problems: readonly ValidationProblem[];
}

/** Where a manifest without a namespace will be, as far as anybody can say. */
export const assumedNamespace = 'default';

/**
 * The Periodics of these manifests, as if they were created at this instant, which comes before all slots that are asked for. Their uid does not exist yet, so the name stands in for it:
 * a jitter is drawn from the same window, but not the one that will be.
 */
export function fromManifests(sources: readonly SourceFile[], createdMs: number): ScheduleSources {
  const entries: ScheduleEntry[] = [];
  const anchor = { sinceMs: Math.floor(createdMs / 1000) * 1000, startsAtOnce: true, reachesBack: true };
  const add = (periodic: Periodic, file: string): void => {
    const placed = asIfCreated(periodic);
    const parsed = parseSchedule(periodic.spec, { seed: scheduleSeed(placed.metadata) });
    if (parsed.ok) entries.push({ name: nameOf(periodic), written: periodic, file, periodic: placed, schedule: parsed.schedule, anchor });
  };
  const { problems } = validateManifests(sources, {
    Periodic: [
      (periodic, file) => {
        add(periodic, file);
        const parsed = parseSchedule(periodic.spec, { seed: scheduleSeed(asIfCreated(periodic).metadata) });
        return parsed.ok ? [] : parsed.problems;
      },
    ],
    PeriodicSet: [
      (set, file) => {
        for (const { periodic } of expandSet(set).children) add(inNamespaceOf(set, periodic), file);
        return checkPeriodicSet(set);
      },
    ],
  });
  return { entries, problems };
}

const nameOf = ({ metadata: { namespace, name } }: Periodic): string => (namespace === undefined ? name : `${namespace}/${name}`);

function asIfCreated(periodic: Periodic): Periodic {
  const { name, namespace = assumedNamespace, uid = `${namespace}/${name}` } = periodic.metadata;
  return { ...periodic, metadata: { ...periodic.metadata, namespace, uid } };
}

const inNamespaceOf = ({ metadata: { namespace } }: PeriodicSet, periodic: Periodic): Periodic =>
  namespace === undefined ? periodic : { ...periodic, metadata: { ...periodic.metadata, namespace } };

/** The Periodics of a namespace; with names, only those. One that is not there is a problem. */
export async function fromNamespace(
  client: KubeClient,
  namespace: string,
  names: readonly string[],
  nowMs: number,
): Promise<ScheduleSources> {
  const { items } = await client.list(periodics, { namespace });
  const wanted = new Set(names);
  const found = items.filter(({ metadata }) => wanted.size === 0 || wanted.has(metadata.name));
  const entries: ScheduleEntry[] = [];
  const present = new Set(found.map(({ metadata }) => metadata.name));
  const missing = [...wanted].filter((name) => !present.has(name));
  const problems = missing.map((name) => problem(`${namespace}/${name}`, '', 'there is no such Periodic'));
  for (const periodic of found) {
    const parsed = parseSchedule(periodic.spec, { seed: scheduleSeed(periodic.metadata) });
    if (!parsed.ok) {
      problems.push(...parsed.problems.map(({ path, message }) => problem(nameOf(periodic), path, message)));
      continue;
    }
    const anchor: Anchor = anchorOf(periodic, parsed.schedule, nowMs);
    entries.push({ name: nameOf(periodic), written: periodic, periodic, schedule: parsed.schedule, anchor });
  }
  return { entries, problems };
}

const problem = (name: string, path: string, message: string): ValidationProblem => ({
  file: '',
  line: 0,
  column: 0,
  kind: 'Periodic',
  name,
  path,
  message,
  severity: 'error',
});
