/**
 * Where one story plays: a namespace of its own, and a user's hands in it. Every wait is for something that can be seen, has a limit, and
 * says when it is reached what was seen instead.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { buildClusters, periodicBackfills, periodics, periodicSets, pluginConfigs, prowJobs } from '../../crds/resources.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { runNowAnnotation } from '../../operator/jobs/periodicRun.ts';
import { events, namespaces, pods, type Event, type Pod } from '../../operator/kube/builtin.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { isNotFound } from '../../operator/kube/errors.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import { applyPatch, mergePatch } from '../../operator/kube/patch.ts';
import type { ResourceType } from '../../operator/kube/resource.ts';
import type { Recorder } from './history.ts';
import type { Installation } from './installation.ts';
import { kubectl } from './tools.ts';

const pollMs = 25;
/** Much more than anything takes on an idle machine: a busy one is not a defect. */
const patienceMs = 40_000;

const types: ReadonlyMap<string, ResourceType> = new Map<string, ResourceType>(
  [prowJobs, periodics, periodicSets, periodicBackfills, pluginConfigs, buildClusters, pods, namespaces].map((type) => [
    type.kind,
    type as ResourceType,
  ]),
);

export class Scene {
  readonly namespace: string;
  readonly installation: Installation;
  readonly client: KubeClient;
  readonly recorder: Recorder;
  /** This scene's own namespaces. */
  readonly namespaces: string[] = [];
  /** Pods that the story itself deleted. */
  readonly deletedPods = new Set<string>();

  constructor(installation: Installation, recorder: Recorder, namespace: string) {
    this.installation = installation;
    this.client = installation.client;
    this.recorder = recorder;
    this.namespace = namespace;
  }

  /** Creates a namespace for this story; it goes with the story. */
  async addNamespace(name: string): Promise<string> {
    this.namespaces.push(name);
    await this.client.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    const account = `/api/v1/namespaces/${name}/serviceaccounts/default`;
    await this.eventually(`the service account of ${name}`, () => this.client.text(account).catch(ignoreNotFound));
    return name;
  }

  /** The story is over: its namespaces go, with all that is in them. Nobody waits for that. */
  async leave(): Promise<void> {
    for (const name of this.namespaces.splice(0)) await this.client.delete(namespaces, { namespace: '', name });
  }

  /** Server-side apply, as `kubectl apply --server-side` does it. */
  async apply<T extends KubeObject>(object: T, namespace = this.namespace): Promise<T> {
    const type = types.get(object.kind ?? '');
    if (type === undefined) throw new Error(`stories do not apply a ${object.kind ?? 'thing without a kind'} yet`);
    const placed = { ...object, metadata: { ...object.metadata, namespace } };
    const options = { fieldManager: 'story', force: true };
    return (await this.client.patch(type, { namespace, name: object.metadata.name }, applyPatch(placed), options)) as T;
  }

  /** Looks again and again until there is something, and returns it. */
  async eventually<T>(what: string, look: () => Promise<T | undefined | false> | T | undefined | false, withinMs = patienceMs): Promise<T> {
    const endMs = performance.now() + withinMs;
    for (;;) {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      this.recorder.check();
      await this.installation.check();
      if (performance.now() > endMs) throw new Error(`waited ${withinMs / 1000} s in vain for ${what}`);
      await wait(pollMs);
    }
  }

  /** The run, once it fits. */
  async untilRun(name: string, what: string, fits: (run: ProwJob) => boolean, namespace = this.namespace): Promise<ProwJob> {
    return this.eventually(`ProwJob ${name} ${what}`, () => {
      const found = this.recorder.run(namespace, name);
      return found !== undefined && fits(found) && found;
    }).catch((error: unknown) => {
      throw new Error(`the run was last seen as ${JSON.stringify(this.recorder.run(namespace, name)?.status)}`, { cause: error });
    });
  }

  /** The run when it has ended. */
  finished(name: string, namespace = this.namespace): Promise<ProwJob> {
    return this.untilRun(name, 'to end', ({ status }) => status?.completionTime !== undefined, namespace);
  }

  async untilPeriodic(name: string, what: string, fits: (periodic: Periodic) => boolean): Promise<Periodic> {
    return this.eventually(`Periodic ${name} ${what}`, () => {
      const found = this.recorder.periodic(this.namespace, name);
      return found !== undefined && fits(found) && found;
    }).catch((error: unknown) => {
      throw new Error(`the Periodic was last seen as ${JSON.stringify(this.recorder.periodic(this.namespace, name)?.status)}`, {
        cause: error,
      });
    });
  }

  /** The pod, once it fits. */
  async untilPod(name: string, what: string, fits: (pod: Pod) => boolean, namespace = this.namespace): Promise<Pod> {
    return this.eventually(`Pod ${name} ${what}`, () => {
      const found = this.recorder.pod(namespace, name);
      return found !== undefined && fits(found) && found;
    });
  }

  /** The pod when its command is under way: it has said so in its log. */
  async started(name: string, namespace = this.namespace): Promise<Pod> {
    const pod = await this.untilPod(name, 'to run', ({ status }) => status?.phase === 'Running', namespace);
    await this.eventually(`the first line of pod ${name}`, async () => (await this.logsOf(name, namespace)) !== '');
    return pod;
  }

  podGone(name: string, namespace = this.namespace): Promise<true> {
    return this.eventually(`pod ${name} to be gone`, () => this.recorder.pod(namespace, name) === undefined);
  }

  /** The runs of a Periodic, oldest first, those that are gone included. */
  runsOf(periodicName: string): readonly ProwJob[] {
    return this.recorder.runs
      .filter(({ type, object }) => type === 'ADDED' && object.metadata.ownerReferences?.[0]?.name === periodicName)
      .map(({ object }) => object)
      .filter(({ metadata }) => metadata.namespace === this.namespace);
  }

  logsOf(podName: string, namespace = this.namespace): Promise<string> {
    return this.client.text(`/api/v1/namespaces/${namespace}/pods/${podName}/log`);
  }

  /** The reasons of the Events about an object, each as often as it happened. */
  async eventsOf(name: string): Promise<readonly Event[]> {
    const { items } = await this.client.list(events, { namespace: this.namespace });
    return items.filter(({ regarding }) => regarding?.name === name);
  }

  async abort(name: string, by: string, reason: string): Promise<ProwJob> {
    return this.client.patch<ProwJob>(prowJobs, { namespace: this.namespace, name }, mergePatch({ spec: { abort: { by, reason } } }));
  }

  async runNow(name: string, token: string): Promise<void> {
    const body = { metadata: { annotations: { [runNowAnnotation]: token } } };
    await this.client.patch<Periodic>(periodics, { namespace: this.namespace, name }, mergePatch(body));
  }

  async changePeriodic(name: string, spec: object): Promise<Periodic> {
    return this.client.patch<Periodic>(periodics, { namespace: this.namespace, name }, mergePatch({ spec }));
  }

  async deletePod(name: string): Promise<void> {
    const key = { namespace: this.namespace, name };
    const pod = await this.client.get(pods, key);
    this.deletedPods.add(pod.metadata.uid ?? '');
    await this.client.delete(pods, key);
  }

  /** Says of a pod without a node what a node would say of it. */
  async playNode(podName: string, status: object): Promise<void> {
    await this.client.patch<Pod>(pods, { namespace: this.namespace, name: podName }, mergePatch({ status }), { subresource: 'status' });
  }

  /** The real kubectl, in the namespace of the story. Rejects with what it wrote. */
  kubectl(args: readonly string[], input = ''): Promise<string> {
    return kubectl({ kubeconfig: this.installation.kubeconfig, args: ['--namespace', this.namespace, ...args], input });
  }
}

/** For a read whose object may not be there yet. */
export function ignoreNotFound(error: unknown): undefined {
  if (isNotFound(error)) return undefined;
  throw error;
}
