/** For tests of the verbs: a sandbox that runs pods, the operator as a process, and the verbs called as the command line calls them. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { vi } from 'vitest';
import { parse, stringify } from 'yaml';
import { prowJobs } from '../../../crds/resources.ts';
import type { ProwJob } from '../../../crds/v1/prowJob.ts';
import { startSandbox, type Sandbox } from '../../../sandbox/sandbox.ts';
import { KubeClient } from '../../kube/client.ts';
import { PooledKubeConfig } from '../../kube/kubeConfig.ts';
import type { KubeObject } from '../../kube/objects.ts';
import type { ResourceType } from '../../kube/resource.ts';
import { UndiciTransport } from '../../kube/transport.ts';

const entry = path.resolve(import.meta.dirname, '../../../bin/prow-operator.mjs');
const generated = path.resolve(import.meta.dirname, '../../../crds/generated');
const crds: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export class VerbWorld {
  readonly client: KubeClient;
  readonly dir: string;
  readonly kubeconfig: string;
  readonly #sandbox: Sandbox;
  readonly #children = new Set<ChildProcess>();

  private constructor(sandbox: Sandbox, dir: string) {
    this.#sandbox = sandbox;
    this.dir = dir;
    this.kubeconfig = sandbox.kubeconfigPath;
    this.client = new KubeClient({ transport: new UndiciTransport(PooledKubeConfig.load({ path: this.kubeconfig })) });
  }

  static async open(): Promise<VerbWorld> {
    const world = new VerbWorld(await startSandbox(), await mkdtemp(path.join(tmpdir(), 'verbs-')));
    for (const file of (await readdir(generated)).filter((name) => name.endsWith('.yaml'))) {
      await world.client.create(crds, parse(await readFile(path.join(generated, file), 'utf8')) as KubeObject);
    }
    await world.until(() => world.client.list(prowJobs, { namespace: 'default' }).then(Boolean, () => false));
    return world;
  }

  get archive(): string {
    return path.join(this.dir, 'archive');
  }

  /** Starts the operator, and resolves when it works. */
  async startOperator(settings: object = {}): Promise<void> {
    const file = path.join(this.dir, 'settings.yaml');
    await writeFile(
      file,
      stringify({ server: { host: '127.0.0.1', port: 0 }, archive: { location: `file://${this.archive}` }, ...settings }),
    );
    const child = this.spawn(['run', '--kubeconfig', this.kubeconfig, '--settings', file]);
    await said(child, 'Controllers run');
  }

  /** A verb as a process of its own, for what only a process has: signals, and its exit code. */
  spawn(args: readonly string[]): ChildProcess {
    const child = spawn(process.execPath, [entry, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#children.add(child);
    void once(child, 'close').then(() => this.#children.delete(child));
    return child;
  }

  /** A verb in this process. One at a time: what it writes is caught. */
  async call(verb: () => Promise<number>): Promise<Said> {
    const written = { out: '', err: '' };
    vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((written.out += String(text)), true));
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((written.err += String(text)), true));
    try {
      const code = await verb();
      return { code, ...written };
    } finally {
      vi.restoreAllMocks();
    }
  }

  /** Creates a run whose only container is this shell script. */
  async create(
    name: string,
    script: string,
    more: { readonly spec?: object; readonly annotations?: Record<string, string> } = {},
  ): Promise<ProwJob> {
    return this.client.create<ProwJob>(prowJobs, {
      apiVersion: 'prow.k8s.io/v1',
      kind: 'ProwJob',
      metadata: { name, namespace: 'default', annotations: more.annotations ?? {} },
      spec: { type: 'periodic', job: name, pod_spec: { containers: [container('test', script)] }, ...more.spec },
    });
  }

  async untilRun(name: string, fits: (run: ProwJob) => boolean): Promise<ProwJob> {
    let run: ProwJob | undefined;
    await this.until(async () => {
      run = await this.client.get<ProwJob>(prowJobs, { namespace: 'default', name });
      return fits(run);
    });
    return run!;
  }

  ended(name: string): Promise<ProwJob> {
    return this.untilRun(name, ({ status }) => status?.completionTime !== undefined);
  }

  /** Asks again until it is so; the test's own time limit ends what never is. */
  async until(isSo: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await isSo())) await wait(20);
  }

  async close(): Promise<void> {
    const ends = [...this.#children].map((child) => once(child, 'close'));
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(ends);
    await this.client.close();
    await this.#sandbox.close();
    await rm(this.dir, { recursive: true, force: true });
  }
}

export const container = (name: string, script: string) => ({ name, image: 'busybox', command: ['sh', '-c', script] });

/** Resolves with everything that the process has written once this text is in it; rejects when it ends before. */
export function said(child: ChildProcess, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let all = '';
    const look = (chunk: Buffer): void => {
      all += chunk.toString();
      if (all.includes(text)) resolve(all);
    };
    child.stdout?.on('data', look);
    child.stderr?.on('data', look);
    child.once('close', (code) => reject(new Error(`it ended with ${String(code)} and never said "${text}": ${all}`)));
  });
}
