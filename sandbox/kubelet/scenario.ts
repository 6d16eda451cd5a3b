/**
 * Bad days on demand: what an annotation of a pod says shall befall it, for tests of programs that run pods. Parsed here, carried out by
 * scheduler, kubelet and misfortune.ts, which write what Kubernetes' own components write. The API refuses a pod whose annotation cannot be
 * read, so that a misspelt scenario is not a test that passes for the wrong reason.
 */
import { DurationError, parseDuration } from '../../crds/duration.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';

export const scenarioAnnotation = 'sandbox.prow.k8s.io/scenario';

/** These last for a time, or for ever when none is given. */
const lasting = ['unschedulable', 'image-pull-backoff', 'stuck-terminating'] as const;
/** These need a time: slow-start lasts it, the others happen that long after the pod's first process has started. */
const timed = ['slow-start', 'evict-after', 'oom-after', 'preempt-after', 'node-lost-after', 'pod-gc-after'] as const;

export type Misfortune = (typeof lasting)[number] | (typeof timed)[number];

/** Milliseconds by what happens; Infinity: for ever. */
export type Scenario = ReadonlyMap<Misfortune, number>;

export class ScenarioError extends Error {
  readonly code = 'ScenarioInvalid';
  override readonly name = 'ScenarioError';
}

const isLasting = (name: string): boolean => (lasting as readonly string[]).includes(name);
const isKnown = (name: string): name is Misfortune => isLasting(name) || (timed as readonly string[]).includes(name);

/** @param text such as `slow-start=2s,evict-after=5s`; throws ScenarioError that says what to write instead */
export function parseScenario(text: string): Scenario {
  const scenario = new Map<Misfortune, number>();
  for (const term of text.split(',').map((part) => part.trim())) {
    const [name = '', duration] = term.split('=', 2);
    if (!isKnown(name))
      throw new ScenarioError(`unknown scenario ${JSON.stringify(name)}: write one of ${[...lasting, ...timed].join(', ')}`);
    if (scenario.has(name)) throw new ScenarioError(`${name} is there twice`);
    scenario.set(name, lengthOf(name, duration));
  }
  return scenario;
}

function lengthOf(name: Misfortune, duration: string | undefined): number {
  if (duration === undefined && isLasting(name)) return Infinity;
  try {
    const ms = parseDuration(duration ?? '');
    if (ms >= 0) return ms;
  } catch (error) {
    if (!(error instanceof DurationError)) throw error;
  }
  throw new ScenarioError(`${name} needs a time, such as ${name}=5s`);
}

const none: Scenario = new Map();

/** The scenario of a stored pod. The API let no other annotation in than one that can be read. */
export function scenarioOf(pod: KubeObject): Scenario {
  const text = pod.metadata.annotations?.[scenarioAnnotation];
  return text === undefined ? none : parseScenario(text);
}
