/** Whatever call to the store is the last one before a crash, the next try ends with the same objects. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { ArchivePolicy } from '../jobs/archivePolicy.ts';
import { attemptsToArchive } from '../jobs/archiveHold.ts';
import type { Pod } from '../kube/builtin.ts';
import { realClock } from '../runtime/clock.ts';
import type { BlobOptions, BlobSource, BlobStore, BlobText } from './blobStore.ts';
import { LogFollower } from './logFollower.ts';
import type { KeptPod } from './logKeeper.ts';
import { Spool } from './spool.ts';
import { RunUploader } from './uploader.ts';

/** A store in memory that dies before or after its n-th call. */
class MortalStore implements BlobStore {
  readonly url = 's3://results';
  readonly objects: Map<string, string>;
  calls = 0;
  readonly #death: { readonly call: number; readonly when: 'before' | 'after' } | undefined;

  constructor(objects: Map<string, string>, death?: { readonly call: number; readonly when: 'before' | 'after' }) {
    this.objects = objects;
    this.#death = death;
  }

  put(key: string, text: string): Promise<void> {
    return this.#call(() => void this.objects.set(key, text));
  }

  upload(key: string, source: BlobSource): Promise<void> {
    return this.#call(async () => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of source.open()) chunks.push(chunk);
      this.objects.set(key, Buffer.concat(chunks).toString());
    });
  }

  putIf(key: string, text: string, tag: string | undefined, _options: BlobOptions): Promise<boolean> {
    return this.#call(() => {
      if (this.objects.get(key) !== tag) return false;
      this.objects.set(key, text);
      return true;
    });
  }

  get(key: string): Promise<BlobText | undefined> {
    const text = this.objects.get(key);
    return this.#call(() => (text === undefined ? undefined : { text, tag: text }));
  }

  stat(key: string): Promise<{ readonly size: number } | undefined> {
    const text = this.objects.get(key);
    return this.#call(() => (text === undefined ? undefined : { size: Buffer.byteLength(text) }));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #call<T>(act: () => T | Promise<T>): Promise<T> {
    const isLast = this.calls === this.#death?.call;
    this.calls += 1;
    if (isLast && this.#death.when === 'before') throw new Error('crash');
    const result = await act();
    if (isLast) throw new Error('crash');
    return result;
  }
}

const policy: ArchivePolicy = {
  location: { scheme: 's3', bucket: 'results', prefix: '' },
  allowedBuckets: [],
  pathStrategy: 'explicit',
  defaultOrg: '',
  defaultRepo: '',
  holdCleanupMs: 1,
};
const run: ProwJob = {
  metadata: { name: 'r', namespace: 'ci', uid: 'u' },
  spec: {
    type: 'presubmit',
    job: 'unit',
    refs: { org: 'acme', repo: 'widget', base_ref: 'main', pulls: [{ number: 7, author: 'ann', sha: 'c0ffee' }] },
  },
  status: {
    state: 'success',
    completionTime: '2026-01-01T00:10:00Z',
    attempts: [
      { number: 1, pod_name: 'r', build_id: '10', started: '2026-01-01T00:01:00Z', finished: '2026-01-01T00:02:00Z', cause: 'Evicted' },
      { number: 2, pod_name: 'r-2', build_id: '11', started: '2026-01-01T00:03:00Z' },
    ],
  },
};
const podOf = (name: string): Pod => ({ metadata: { name, namespace: 'ci', uid: name }, spec: { containers: [{ name: 'test' }] } });
const { signal } = new AbortController();

let dir: string;
let spool: Spool;
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'prow-uploader-test-'));
  spool = new Spool(
    () => dir,
    () => ({ logBytes: 1e6, totalBytes: 1e6 }),
  );
});
afterEach(() => rm(dir, { recursive: true }));

async function kept(name: string, text: string): Promise<KeptPod> {
  const client = {
    logs: async function* () {
      yield await Promise.resolve(Buffer.from(`2026-01-01T00:00:00.000000000Z ${text}`));
    },
  };
  const log = new LogFollower({
    pod: { namespace: 'ci', name },
    container: 'test',
    log: spool.create(),
    stage: () => 'ended',
    client: () => client,
    lanes: { tryRunning: () => undefined, ended: () => Promise.resolve(() => undefined) },
    clock: realClock,
  });
  await log.done;
  return { pod: podOf(name), logs: [log] };
}

async function archive(store: BlobStore, pods: readonly KeptPod[]): Promise<readonly string[]> {
  const uploader = new RunUploader({ get: () => Promise.resolve(store) }, () => undefined);
  for (const attempt of attemptsToArchive(run)) await uploader.started(run, attempt, policy, signal);
  return (await uploader.finished(run, { pods, eventsOf: () => Promise.resolve([]) }, policy, signal)).remarks;
}

const withoutCrash = async (): Promise<{
  readonly objects: ReadonlyMap<string, string>;
  readonly calls: number;
  readonly pods: KeptPod[];
}> => {
  const pods = [await kept('r', 'first\n'), await kept('r-2', 'second\n')];
  const store = new MortalStore(new Map());
  await archive(store, pods);
  return { objects: store.objects, calls: store.calls, pods };
};

describe('results', () => {
  it('are those of each attempt, under its own build', async () => {
    const { objects } = await withoutCrash();
    const below = 'pr-logs/pull/acme_widget/7/unit';
    const files = ['build-log.txt', 'finished.json', 'podinfo.json', 'prowjob.json', 'started.json'];
    expect([...objects.keys()].sort()).toEqual(
      [
        ...['10', '11'].flatMap((build) => files.map((file) => `${below}/${build}/${file}`)),
        `${below}/latest-build.txt`,
        ...['10', '11'].map((build) => `pr-logs/directory/unit/${build}.txt`),
        'pr-logs/directory/unit/latest-build.txt',
      ].sort(),
    );
    expect(objects.get(`${below}/10/build-log.txt`)).toBe('first\n');
    expect(objects.get(`${below}/11/build-log.txt`)).toBe('second\n');
    expect(objects.get(`${below}/latest-build.txt`)).toBe('11');
    expect(JSON.parse(objects.get(`${below}/10/finished.json`) ?? '')).toMatchObject({
      result: 'ABORTED',
      metadata: { reason: 'Evicted' },
    });
  });

  it('are the same after a crash before or after any call', async () => {
    const { objects, calls, pods } = await withoutCrash();
    expect(calls).toBeGreaterThan(20);
    for (let call = 0; call < calls; call++) {
      for (const when of ['before', 'after'] as const) {
        const present = new Map<string, string>();
        await expect(archive(new MortalStore(present, { call, when }), pods)).rejects.toThrow('crash');
        await archive(new MortalStore(present), pods);
        expect(present, `${when} call ${call}`).toEqual(objects);
      }
    }
  });

  it('are not replaced by the shorter log of a later leader, and not by none', async () => {
    const { objects } = await withoutCrash();
    const present = new Map(objects);
    await archive(new MortalStore(present), [await kept('r-2', 'ond\n')]);
    expect(present).toEqual(objects);
    const remarks = await archive(new MortalStore(present), []);
    expect(present).toEqual(objects);
    expect(remarks).toEqual(['The log could not be read: the pod was gone before.']);
  });

  it('never move the latest build back', async () => {
    const present = new Map([['pr-logs/directory/unit/latest-build.txt', '12']]);
    await archive(new MortalStore(present), []);
    expect(present.get('pr-logs/directory/unit/latest-build.txt')).toBe('12');
    expect(present.get('pr-logs/pull/acme_widget/7/unit/latest-build.txt')).toBe('11');
  });
});
