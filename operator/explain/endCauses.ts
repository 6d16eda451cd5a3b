/** The evidence behind an end: memory and its limit, the node and what it ran short of, a node that is gone. Pure. */
import type { JobPodSpec } from '../../crds/v1/podSpec.ts';
import type { Attempt } from '../../crds/v1/prowJob.ts';
import type { Container, Pod } from '../kube/builtin.ts';
import { attemptsOf, nodeOf } from './attempts.ts';
import type { Node, RunEvidence } from './evidence.ts';
import { containersOf } from './podWords.ts';
import { listed, sentence, span } from './words.ts';
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

/** For the attempts that were evicted: what the node said, and what it is short of now. */
export const evictionLines = (seen: RunEvidence): readonly string[] => causeLines(seen, new Set(['Evicted']), pressures);

/** For the attempts that lost their node: what was said, and what is known of the node now. */
export const lostNodeLines = (seen: RunEvidence): readonly string[] => causeLines(seen, new Set(['NodeLost', 'NodeRejected']), readiness);

function causeLines(
  seen: RunEvidence,
  causes: ReadonlySet<string>,
  describe: (node: Node, nowMs: number) => readonly string[],
): readonly string[] {
  const attempts = attemptsOf(seen).filter(({ cause }) => cause !== undefined && causes.has(cause));
  const said = new Map<string, number[]>();
  for (const attempt of attempts) {
    const words = podWords(seen, attempt);
    if (words !== undefined) said.set(words, [...(said.get(words) ?? []), attempt.number]);
  }
  const lines = [...said].map(([words, numbers]) => {
    const which = numbers.length === 1 ? 'attempt' : 'attempts';
    return `Of ${which} ${listed(numbers.map(String))} the node said: ${words}`;
  });
  return [...lines, ...attempts.flatMap((attempt) => nodeLines(seen, attempt, (node) => describe(node, seen.nowMs)))].filter(isFirst);
}

const isFirst = (line: string, at: number, lines: readonly string[]): boolean => lines.indexOf(line) === at;

/** What the node, or whoever removed the pod, said of it; undefined where status repeats that already. */
function podWords({ run, pods }: RunEvidence, { pod_name: name }: Attempt): string | undefined {
  const words = wordsOf(pods.get(name));
  const { attempts = [], description = '' } = run.status ?? {};
  return words === '' || (attempts.length < 2 && description.includes(words)) ? undefined : sentence(words);
}

function wordsOf(pod: Pod | undefined): string {
  const disruption = pod?.status?.conditions?.find(({ type }) => type === 'DisruptionTarget');
  return (pod?.status?.message ?? disruption?.message ?? '').trim();
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
