/** What the log says while a store fails, with the reconciler, a controller, and an uploader that fails as it is told to. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { StoreError } from '../../operator/archive/blobStore.ts';
import { LayoutError } from '../../operator/jobs/archiveLayout.ts';
import { keyOf } from '../../operator/kube/objects.ts';
import { Controller } from '../../operator/runtime/controller.ts';
import { Metrics } from '../../operator/runtime/metrics.ts';
import { FakeClock } from '../../operator/runtime/testing/fakeClock.ts';
import { RecordingLogger } from '../../operator/runtime/testing/recordingLogger.ts';
import { archiveMetrics } from './metrics.ts';
import { ArchiveReconciler, type ArchiveDeps } from './reconciler.ts';

const location = { scheme: 'file', bucket: '/results', prefix: '' } as const;
const full = (name: string): Error => new StoreError('file:///results', `write ${name}/prowjob.json`, new Error('ENOSPC'));
const minuteMs = 60_000;

class World {
  readonly clock = new FakeClock();
  readonly logger = new RecordingLogger();
  /** By the name of the run: what a try to write it throws. */
  readonly faults = new Map<string, (name: string) => Error>();
  readonly #runs = new Map<string, ProwJob>();
  readonly #controller: Controller;

  constructor() {
    const { clock, logger, faults } = this;
    const metrics = new Metrics();
    const get = (name: string): ProwJob => this.#runs.get(name)!;
    const attempt = (run: ProwJob): Promise<object> => {
      const fault = (faults.get(run.metadata.name) ?? faults.get('*'))?.(run.metadata.name);
      return fault === undefined ? Promise.resolve({ address: 'there', remarks: [], isIncomplete: false }) : Promise.reject(fault);
    };
    const pods = { byIndex: () => [] };
    const deps = {
      jobs: { get: ({ name }: { name: string }) => get(name) },
      clusters: { get: () => ({ state: 'ready', access: { pods } }) },
      keeper: {
        podsOf: (uid: string) => (get(uid).status?.state === 'pending' ? [{ logs: [{}] }] : []),
        isDone: () => true,
        wake: () => undefined,
        stop: () => Promise.resolve(),
        release: () => Promise.resolve(),
      },
      policy: () => ({
        archive: { location, allowedBuckets: [], pathStrategy: 'explicit', defaultOrg: '', defaultRepo: '', holdCleanupMs: 1e9 },
      }),
      uploader: { started: attempt, finished: attempt },
      client: { get: (_type: unknown, { name }: { name: string }) => Promise.resolve(get(name)) },
      writer: {
        patchStatus: ({ name }: { name: string }, { status }: { status: object }) => {
          const run = get(name);
          this.#runs.set(name, { ...run, status: { state: 'success', ...run.status, ...status } });
          return Promise.resolve(get(name));
        },
      },
      metrics: archiveMetrics(metrics),
    };
    const reconciler = new ArchiveReconciler(deps as unknown as ArchiveDeps);
    this.#controller = new Controller({ name: 'archive', reconciler, clock, logger, metrics, queue: { baseDelayMs: 1_000 } });
    void this.#controller.run(new AbortController().signal);
  }

  /** Its name is its uid. */
  async add(name: string, state: 'success' | 'pending' = 'success'): Promise<void> {
    const completed = state === 'pending' ? {} : { completionTime: new Date(this.clock.now()).toISOString() };
    const run: ProwJob = {
      metadata: { name, namespace: 'ci', uid: name },
      spec: { type: 'periodic', job: 'unit', agent: 'kubernetes' },
      status: { state, ...completed, attempts: [{ number: 1, pod_name: name, build_id: '1' }] },
    };
    this.#runs.set(name, run);
    this.#controller.enqueue(keyOf(run));
    await this.clock.advance(0);
  }

  /** "warn ci/a: message", without what is for debugging only. */
  said(): readonly string[] {
    const loud = this.logger.lines.filter(({ level }) => level !== 'debug');
    return loud.map(({ level, message, fields }) => `${level} ${String(fields.key)}: ${message}`);
  }

  tries(): number {
    return this.logger.lines.filter(({ message }) => message.startsWith('The results of ProwJob')).length;
  }

  archived(name: string): string | undefined {
    return this.#runs.get(name)?.status?.conditions?.find(({ type }) => type === 'Archived')?.reason;
  }
}

const fails = 'A store of results fails; runs wait for it, and it is tried again and again';
const works = 'A store of results works again';

describe('the log about a store', () => {
  let world: World;
  beforeEach(() => (world = new World()));

  it('has one line when it begins to fail and one when it works again, whatever the number of runs and tries', async () => {
    world.faults.set('*', full);
    await world.add('begun', 'pending');
    for (const name of ['a', 'b', 'c']) await world.add(name);
    await world.clock.advance(10 * minuteMs);
    expect(world.tries()).toBeGreaterThan(20);
    expect(world.said()).toEqual([`warn ci/begun: ${fails}`]);
    expect(world.logger.lines.find(({ level }) => level === 'warn')?.fields).toMatchObject({
      store: 'file:///results',
      error: 'file:///results: write begun/prowjob.json: ENOSPC',
    });
    expect(world.archived('c')).toBe('Failed');
    world.faults.clear();
    await world.clock.advance(30 * minuteMs);
    expect(['a', 'b', 'c'].map((name) => world.archived(name))).toEqual(['Uploaded', 'Uploaded', 'Uploaded']);
    expect(world.said()).toHaveLength(2);
    expect(['a', 'b', 'c'].map((name) => `info ci/${name}: ${works}`)).toContain(world.said()[1]);
    world.faults.set('*', full);
    await world.add('later');
    expect(world.said().slice(2)).toEqual([`warn ci/later: ${fails}`]);
  });

  it('does not blame the store again for a run that fails alone', async () => {
    world.faults.set('bad', full);
    await world.add('bad');
    await world.add('good');
    await world.clock.advance(20 * minuteMs);
    await world.add('good-too');
    expect(world.tries()).toBeGreaterThan(5);
    expect(world.said()).toEqual([`warn ci/bad: ${fails}`, `info ci/good: ${works}`]);
  });

  it('names each run once that fails for a reason of its own, also while the store fails', async () => {
    world.faults.set('*', full);
    await world.add('any');
    world.faults.set('odd', () => new TypeError('x is undefined'));
    world.faults.set('placeless', () => new LayoutError('the presubmit unit names no pull request'));
    await world.add('odd');
    await world.add('placeless');
    await world.clock.advance(20 * minuteMs);
    expect(world.archived('placeless')).toBe('GivenUp');
    expect(world.said()).toEqual([
      `warn ci/any: ${fails}`,
      'warn ci/odd: The results of a run cannot be written',
      'warn ci/placeless: The results of a run cannot be kept',
    ]);
  });
});
