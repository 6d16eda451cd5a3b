/** The pods of a run as a table: which ran where, for how long, and how each ended. Pure. */
import type { Attempt } from '../../crds/v1/prowJob.ts';
import { attemptsToArchive } from '../jobs/archiveHold.ts';
import { timeMs } from '../jobs/times.ts';
import type { Pod } from '../kube/builtin.ts';
import type { RunEvidence } from './evidence.ts';
import type { Section } from './explanation.ts';
import { span, table } from './words.ts';

/** The attempts as status has them; for a run of upstream's plank the one that it tells of. */
export const attemptsOf = ({ run }: RunEvidence): readonly Attempt[] => attemptsToArchive(run);

export const latestPod = (seen: RunEvidence): Pod | undefined => {
  const latest = attemptsOf(seen).at(-1);
  return latest === undefined ? undefined : seen.pods.get(latest.pod_name);
};

/** The node of an attempt, from status once it has ended, else from its pod. */
export const nodeOf = ({ pods }: RunEvidence, attempt: Attempt): string | undefined =>
  attempt.node ?? pods.get(attempt.pod_name)?.spec.nodeName;

/** Empty where there was no attempt. */
export function attemptsSection(seen: RunEvidence): Section {
  const attempts = attemptsOf(seen);
  if (attempts.length === 0) return { lines: [] };
  const rows = attempts.map((attempt) => [
    String(attempt.number),
    attempt.pod_name,
    nodeOf(seen, attempt) ?? '-',
    lasted(attempt, seen.nowMs),
    endOf(attempt, seen),
    attempt.exit_code === undefined ? '-' : String(attempt.exit_code),
  ]);
  return { title: 'Attempts', lines: table([['#', 'POD', 'NODE', 'LASTED', 'END', 'EXIT CODE'], ...rows]) };
}

function lasted({ started, finished }: Attempt, nowMs: number): string {
  const startMs = timeMs(started);
  return startMs === undefined ? '-' : span((timeMs(finished) ?? nowMs) - startMs);
}

function endOf({ cause, finished, pod_name: name }: Attempt, { run, pods }: RunEvidence): string {
  if (cause !== undefined) return cause;
  if (finished !== undefined || run.status?.completionTime !== undefined) return run.status?.reason ?? 'unknown';
  return pods.get(name)?.status?.phase ?? 'not seen';
}
