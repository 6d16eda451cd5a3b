/**
 * `prow-operator selftest`: asks a running operator to do its work, as a user would. Makes a ProwJob and a Periodic that is started by hand,
 * waits until both runs have succeeded, reads their logs and the operator's count of them, and deletes what it made. Exit code 0 when all
 * of it was so, 1 when not, 2 when it was called wrongly. It needs no rights beyond these steps, so that it can run as `helm test`.
 */
import { randomBytes } from 'node:crypto';
import { parseDuration } from '../../crds/duration.ts';
import { periodics, prowJobs } from '../../crds/resources.ts';
import { apiVersion } from '../../crds/v1/common.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { JobPodSpec } from '../../crds/v1/podSpec.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { runNameOf, runNowAnnotation } from '../jobs/periodicRun.ts';
import { pods } from '../kube/builtin.ts';
import { KubeClient } from '../kube/client.ts';
import { ApiError, TransportError, isNotFound } from '../kube/errors.ts';
import { KubeConfigError, PooledKubeConfig } from '../kube/kubeConfig.ts';
import type { ObjectKey } from '../kube/objects.ts';
import { UndiciTransport } from '../kube/transport.ts';
import { realClock, sleep } from '../runtime/clock.ts';
import { messageOf } from '../runtime/errors.ts';

export interface SelfTestOptions {
  readonly kubeconfig?: string;
  /** Where the ProwJob and the Periodic are made. */
  readonly namespace: string;
  /** JSON: the pod_spec of both runs. */
  readonly podSpec: string;
  /** What must be in the log of both runs. */
  readonly expectLog: string;
  /** A Go duration. */
  readonly timeout: string;
  /** Where replicas serve metrics. Any number; one of them leads. */
  readonly metricsUrl: readonly string[];
  /** The same by pods: NAMESPACE/LABEL-SELECTOR. */
  readonly operatorPods?: string;
  readonly metricsPort: string;
}

/** What is wrong with the call itself. */
class UsageError extends Error {}

/** The operator, or the cluster, did not do what it should. */
class SelfTestFailure extends Error {}

interface SelfTest {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly podSpec: JobPodSpec;
  readonly expectLog: string;
  readonly signal: AbortSignal;
  readonly metricsUrls: () => Promise<readonly string[]>;
  readonly say: (line: string) => void;
}

const pollMs = 500;
const cleanUpMs = 30_000;
/** How many successes two runs must have added. */
const runsOfTest = 2;

export async function selfTest(options: SelfTestOptions): Promise<number> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  let client: KubeClient | undefined;
  try {
    const deadline = AbortSignal.timeout(timeoutMsOf(options.timeout));
    const podSpec = podSpecOf(options.podSpec);
    const config = PooledKubeConfig.load(options.kubeconfig === undefined ? {} : { path: options.kubeconfig });
    client = new KubeClient({ transport: new UndiciTransport(config, {}) });
    const { namespace, expectLog } = options;
    await play({ client, namespace, podSpec, expectLog, signal: deadline, metricsUrls: metricsUrlsOf(options, client), say });
    say('ok');
    return 0;
  } catch (error) {
    if (!isForPerson(error)) throw error;
    process.stderr.write(`prow-operator selftest: ${error instanceof DOMException ? `time is up (${options.timeout})` : error.message}\n`);
    return error instanceof UsageError || error instanceof KubeConfigError ? 2 : 1;
  } finally {
    await client?.close();
  }
}

/** A DOMException is how a signal says that time is up in the middle of a call. */
const isForPerson = (error: unknown): error is Error =>
  [UsageError, SelfTestFailure, KubeConfigError, ApiError, TransportError, DOMException].some((kind) => error instanceof kind);

async function play(test: SelfTest): Promise<void> {
  const { client, namespace, signal, say } = test;
  const name = `selftest-${randomBytes(4).toString('hex')}`;
  const byHand = { namespace, name };
  const scheduled = { namespace, name: runNameOf(name, { kind: 'manual', token: name }) };
  try {
    await client.create(prowJobs, prowJobOf(byHand, test.podSpec), { signal });
    say(`created ProwJob ${namespace}/${name}`);
    await client.create(periodics, periodicOf(byHand, test.podSpec), { signal });
    say(`created Periodic ${namespace}/${name} and asked it to run now`);
    for (const key of [byHand, scheduled]) {
      const run = await succeeded(test, key);
      say(`run ${key.name} succeeded in pod ${run.status?.pod_name ?? ''}`);
      await checkLog(test, run);
    }
    say('both logs are there');
    await checkMetrics(test);
  } finally {
    await cleanUp(test, [byHand, scheduled]);
  }
}

function prowJobOf({ namespace, name }: ObjectKey, podSpec: JobPodSpec): ProwJob {
  return {
    apiVersion,
    kind: 'ProwJob',
    metadata: { namespace, name },
    spec: { type: 'periodic', agent: 'kubernetes', cluster: 'default', job: name, pod_spec: podSpec },
  };
}

/** Its slots are a year apart: what starts it is the annotation. */
function periodicOf({ namespace, name }: ObjectKey, podSpec: JobPodSpec): Periodic {
  return {
    apiVersion,
    kind: 'Periodic',
    metadata: { namespace, name, annotations: { [runNowAnnotation]: name } },
    spec: { cron: '@yearly', jobTemplate: { spec: { pod_spec: podSpec } } },
  };
}

/** Resolves with the run once it has succeeded. Throws SelfTestFailure when it ends otherwise, or when time is up. */
async function succeeded(test: SelfTest, key: ObjectKey): Promise<ProwJob> {
  let last: ProwJob | undefined;
  const found = await eventually(test.signal, async () => {
    last = await test.client.get<ProwJob>(prowJobs, key, { timeoutMs: cleanUpMs }).catch(undefinedIfAbsent);
    return last?.status?.completionTime === undefined ? undefined : last;
  });
  if (found?.status?.state === 'success') return found;
  if (last === undefined) throw new SelfTestFailure(`run ${key.name} was not created in time: is the operator running and leading?`);
  const { state = 'triggered', reason = '', description = '', waiting, pod_name: podName } = last.status ?? {};
  const log = await logOf(test, last).catch(messageOf);
  const outcome = found === undefined ? 'is not finished in time' : 'has not succeeded';
  throw new SelfTestFailure(
    [
      `run ${key.name} ${outcome}: state ${state} ${reason} ${description} ${waiting?.message ?? ''}`.trim(),
      ...(podName === undefined ? [] : [`log of pod ${podName}: ${log}`]),
    ].join('\n'),
  );
}

async function checkLog(test: SelfTest, run: ProwJob): Promise<void> {
  const log = await logOf(test, run);
  if (!log.includes(test.expectLog))
    throw new SelfTestFailure(`the log of run ${run.metadata.name} does not have "${test.expectLog}" in it, but: ${log}`);
}

function logOf({ client }: SelfTest, run: ProwJob): Promise<string> {
  const attempt = run.status?.attempts?.at(-1);
  const namespace = attempt?.pod_namespace ?? run.metadata.namespace ?? '';
  const path = ['api', 'v1', 'namespaces', namespace, 'pods', attempt?.pod_name ?? '', 'log'].map(encodeURIComponent).join('/');
  return client.text(`/${path}`, { timeoutMs: cleanUpMs });
}

async function checkMetrics(test: SelfTest): Promise<void> {
  let seen = 'nothing';
  const counted = await eventually(test.signal, async () => {
    const urls = await test.metricsUrls();
    const pages = await Promise.allSettled(urls.map((url) => pageAt(url, test.signal)));
    const counts = pages.map((page) => (page.status === 'fulfilled' ? successesIn(page.value) : 0));
    seen = pages.map((page, index) => `${urls[index]}: ${page.status === 'fulfilled' ? counts[index] : messageOf(page.reason)}`).join(', ');
    return counts.some((count) => count >= runsOfTest) ? counts : undefined;
  });
  if (counted === undefined)
    throw new SelfTestFailure(`no replica has counted ${runsOfTest} successful runs in prowjob_state_transitions_total; ${seen}`);
  test.say('the operator has counted them');
}

async function pageAt(url: string, signal: AbortSignal): Promise<string> {
  const answer = await fetch(url, { signal });
  if (!answer.ok) throw new SelfTestFailure(`answered ${answer.status}`);
  return answer.text();
}

/** Runs that the replica has seen succeed, from its metrics. */
export function successesIn(page: string): number {
  const lines = page.split('\n').filter((line) => line.startsWith('prowjob_state_transitions_total{') && line.includes('to="success"'));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

/** Deletes what the test made; the operator deletes the pods. Also when time was up, so with time of its own. */
async function cleanUp({ client, say }: SelfTest, [byHand, scheduled]: readonly [ObjectKey, ObjectKey]): Promise<void> {
  const options = { timeoutMs: cleanUpMs };
  await client.delete(periodics, byHand, options).catch(undefinedIfAbsent);
  for (const key of [byHand, scheduled]) await client.delete(prowJobs, key, options).catch(undefinedIfAbsent);
  say('deleted the Periodic and both runs');
}

function undefinedIfAbsent(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
  return undefined;
}

/** The first answer that is not undefined; undefined when time is up. A connection that breaks is no answer yet. */
async function eventually<T>(signal: AbortSignal, ask: () => Promise<T | undefined>): Promise<T | undefined> {
  for (;;) {
    const answer = await ask().catch((error: unknown) => {
      if (!(error instanceof TransportError)) throw error;
      return undefined;
    });
    if (answer !== undefined || signal.aborted) return answer;
    await sleep(realClock, pollMs, signal).catch(() => undefined);
  }
}

function metricsUrlsOf(options: SelfTestOptions, client: KubeClient): () => Promise<readonly string[]> {
  const { metricsUrl, operatorPods, metricsPort } = options;
  if (operatorPods === undefined) {
    if (metricsUrl.length === 0) throw new UsageError('--metrics-url or --operator-pods is needed');
    return () => Promise.resolve(metricsUrl);
  }
  const [namespace = '', labelSelector = ''] = operatorPods.split(/\/(.*)/s);
  if (namespace === '' || labelSelector === '') throw new UsageError(`--operator-pods ${operatorPods} is not NAMESPACE/LABEL-SELECTOR`);
  return async () => {
    const { items } = await client.list(pods, { namespace, labelSelector, timeoutMs: cleanUpMs });
    const addresses = items.map(({ status }) => status?.podIP ?? '').filter((address) => address !== '');
    return [...metricsUrl, ...addresses.map((address) => metricsAt(address, metricsPort))];
  };
}

const metricsAt = (address: string, port: string): string => `http://${address.includes(':') ? `[${address}]` : address}:${port}/metrics`;

function timeoutMsOf(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new UsageError(`--timeout ${text}: ${messageOf(error)}`);
  }
}

function podSpecOf(text: string): JobPodSpec {
  try {
    return JSON.parse(text) as JobPodSpec;
  } catch (error) {
    throw new UsageError(`--pod-spec is not JSON: ${messageOf(error)}`);
  }
}
