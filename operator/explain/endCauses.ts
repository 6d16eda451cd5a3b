/** The evidence behind an end: memory and its limit, the node and what it ran short of, a node that is gone. Pure. */
import type { JobPodSpec } from '../../crds/v1/podSpec.ts';
import type { Attempt } from '../../crds/v1/prowJob.ts';
import type { Container, Pod } from '../kube/builtin.ts';
import { attemptsOf, nodeOf } from './attempts.ts';
import type { Node, RunEvidence } from './evidence.ts';
import { containersOf } from './podWords.ts';
import { sentence, span } from './words.ts';
import { timeMs } from '../jobs/times.ts';

/** Which container was killed for its memory, what it was allowed, and its exit code. */
export function memoryLines(seen: RunEvidence): readonly string[] {
  const attempt = attemptsOf(seen).at(-1);
  const pod = attempt === undefined ? undefined : seen.pods.get(attempt.pod_name);
  const killed = pod === undefined ? undefined : killedContainer(pod);
  const spec = pod?.spec ?? seen.run.spec.pod_spec;
  const containers = allContainers(spec);
  const suspects = killed === undefined ? containers : containers.filter(({ name }) => name === killed.name);
  const code = killed?.exitCode ?? attempt?.exit_code;
  return [
    ...(killed === undefined ? [] : [`The container ${killed.name} was killed.`]),
    ...suspects.map((container) => limitLine(container)),
    ...(code === undefined ? [] : [`Its exit code is ${code}${code === 137 ? ', which is what a process killed by SIGKILL has' : ''}.`]),
    'A run that needs too much memory is not tried again, unless spec.retry.on names OOMKilled.',
  ];
}

interface Killed {
  readonly name: string;
  readonly exitCode: number;
}

function killedContainer(pod: Pod): Killed | undefined {
  for (const { name, state, lastState } of containersOf(pod)) {
    const terminated = [state?.terminated, lastState?.terminated].find((end) => end?.reason === 'OOMKilled');
    if (terminated !== undefined) return { name, exitCode: terminated.exitCode };
  }
  return undefined;
}

type NamedContainer = Container | JobPodSpec['containers'][number];

const allContainers = (spec: Pod['spec'] | JobPodSpec | undefined): readonly NamedContainer[] => [
  ...(spec?.initContainers ?? []),
  ...(spec?.containers ?? []),
];

function limitLine({ name, resources }: NamedContainer): string {
  const limit = (resources as { readonly limits?: Readonly<Record<string, unknown>> } | undefined)?.limits?.memory;
  return typeof limit === 'string' || typeof limit === 'number'
    ? `The memory limit of container ${name} is ${limit} (resources.limits.memory).`
    : `Container ${name} has no memory limit of its own: the pod, its namespace or its node ran out.`;
}

/** For each attempt that was evicted: the node, its own words, and what the node is short of now. */
export function evictionLines(seen: RunEvidence): readonly string[] {
  return attemptsOf(seen)
    .filter(({ cause }) => cause === 'Evicted')
    .flatMap((attempt) => [...podWords(seen, attempt), ...nodeLines(seen, attempt, (node) => pressures(node, seen.nowMs))])
    .filter(isFirst);
}

/** For each attempt that lost its node: what is known of the node now. */
export function lostNodeLines(seen: RunEvidence): readonly string[] {
  return attemptsOf(seen)
    .filter(({ cause }) => cause === 'NodeLost' || cause === 'NodeRejected')
    .flatMap((attempt) => [...podWords(seen, attempt), ...nodeLines(seen, attempt, (node) => readiness(node, seen.nowMs))])
    .filter(isFirst);
}

const isFirst = (line: string, at: number, lines: readonly string[]): boolean => lines.indexOf(line) === at;

function podWords({ pods }: RunEvidence, { number, pod_name: name }: Attempt): readonly string[] {
  const status = pods.get(name)?.status;
  const words = status?.message ?? status?.conditions?.find(({ type }) => type === 'DisruptionTarget')?.message;
  return words === undefined || words === '' ? [] : [`Of attempt ${number} the node said: ${sentence(words)}`];
}

function nodeLines(seen: RunEvidence, attempt: Attempt, describe: (node: Node) => readonly string[]): readonly string[] {
  const name = nodeOf(seen, attempt);
  const node = name === undefined ? undefined : seen.nodes.get(name);
  if (name === undefined || node === undefined) return [];
  return node === null ? [`Node ${name} does not exist any more.`] : describe(node);
}

function pressures({ metadata, status }: Node, nowMs: number): readonly string[] {
  const now = (status?.conditions ?? []).filter(({ type, status: holds }) => type.endsWith('Pressure') && holds === 'True');
  if (now.length === 0) return [`Node ${metadata.name} is short of nothing now.`];
  return now.map(({ type, lastTransitionTime }) => {
    const sinceMs = timeMs(lastTransitionTime);
    return `Node ${metadata.name} still has ${type}${sinceMs === undefined ? '' : `, for ${span(nowMs - sinceMs)}`}.`;
  });
}

function readiness({ metadata, status }: Node, nowMs: number): readonly string[] {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  const sinceMs = timeMs(ready?.lastTransitionTime);
  const since = sinceMs === undefined ? '' : `, for ${span(nowMs - sinceMs)}`;
  return ready?.status === 'True' ? [`Node ${metadata.name} is Ready now${since}.`] : [`Node ${metadata.name} is not Ready${since}.`];
}
