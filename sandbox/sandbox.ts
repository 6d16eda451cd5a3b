/**
 * The embedded cluster: a Kubernetes API on loopback, over HTTPS with a CA of its own, and a kubelet that runs pods as local processes.
 * startSandbox() returns when the API answers; close() ends watches, processes and connections, and removes what was made on disk.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { builtins } from './api/builtins.ts';
import { inProcessApi } from './api/inProcess.ts';
import { Lister } from './api/lists.ts';
import { ObjectService } from './api/objectService.ts';
import { Registry } from './api/registry.ts';
import { sendPodLog } from './api/podLog.ts';
import { ResourceHandlers } from './api/resourceHandlers.ts';
import { ApiServer } from './api/server.ts';
import type { Call } from './api/call.ts';
import { WatchHub } from './api/watches.ts';
import { CustomResourceController } from './controllers/customResources.ts';
import { GarbageCollector } from './controllers/garbageCollector.ts';
import { runLater } from './controllers/later.ts';
import { NamespaceController } from './controllers/namespaces.ts';
import { openIdentity } from './identity.ts';
import { kubeconfigText, writeKubeconfig } from './kubeconfigFile.ts';
import { Kubelet } from './kubelet/kubelet.ts';
import { MemoryStorage } from './storage/memoryStorage.ts';
import { openSqliteJournal } from './storage/sqliteJournal.ts';
import type { SandboxApi, StoredObject } from './storage/storage.ts';

export interface SandboxOptions {
  /** 0, the default: any free port. */
  readonly port?: number;
  readonly host?: '127.0.0.1';
  /** Where pods and the kubeconfig live; a temporary directory, removed by close(), when absent. */
  readonly dir?: string;
  /** Where objects, revisions and the sandbox's identity outlive the process; in memory only, when absent. One sandbox at a time. */
  readonly dataDir?: string;
  /** Run pods as processes; default true. Without it pods stay Pending until somebody writes their status. */
  readonly kubelet?: boolean;
  readonly log?: (line: string) => void;
  /** Events kept per resource; a watch from before that gets 410. */
  readonly historySize?: number;
  readonly bookmarkIntervalMs?: number;
  readonly now?: () => number;
}

export interface Sandbox {
  readonly url: string;
  readonly caPem: string;
  readonly token: string;
  readonly kubeconfig: string;
  readonly kubeconfigPath: string;
  readonly api: SandboxApi;
  /** Forgets the history, as etcd's compaction does: watches and continues from earlier revisions get 410. */
  compact(): void;
  close(): Promise<void>;
}

const defaultBookmarkMs = 30_000;

export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const { host = '127.0.0.1', log = () => undefined, now = Date.now } = options;
  // First of all, because it may refuse: the directory may be another sandbox's.
  const journal = options.dataDir === undefined ? undefined : await openSqliteJournal(options.dataDir);
  const temporary = options.dir === undefined ? await mkdtemp(path.join(tmpdir(), 'prow-sandbox-')) : undefined;
  const dir = options.dir ?? temporary ?? '';
  const { token, ...authority } = await openIdentity(options.dataDir, now());
  const storage = new MemoryStorage({ historySize: options.historySize, journal });
  const registry = new Registry(builtins);
  const service = new ObjectService(storage, now);
  const watches = new WatchHub(storage, service, options.bookmarkIntervalMs ?? defaultBookmarkMs);
  const later = runLater(log);
  const controllers = [
    // First, so that the others know the kinds that were kept.
    new CustomResourceController({ storage, service, registry, now, later, ended: (bucket) => watches.close(bucket) }),
    new GarbageCollector(storage, service, registry, log),
    new NamespaceController({ storage, service, registry, caPem: authority.caPem, later }),
  ];
  for (const controller of controllers) controller.start();
  const api = inProcessApi(storage, service, registry);
  const kubelet = options.kubelet === false ? undefined : new Kubelet({ api, dir, log });
  const podLog = kubelet && ((call: Call, pod: StoredObject) => sendPodLog(kubelet, call, pod));
  const handlers = new ResourceHandlers({ service, lister: new Lister(storage, service), watches, now, podLog });
  const server = new ApiServer({ tls: authority.server, token, registry, handlers, watches, log });
  const port = await server.listen(options.port ?? 0, host).catch(async (error: unknown) => {
    for (const controller of controllers) controller.stop();
    journal?.close();
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
    throw error;
  });
  const target = { url: `https://${host}:${port}`, caPem: authority.caPem, token };
  const kubeconfigPath = path.join(dir, 'kubeconfig');
  await writeKubeconfig(kubeconfigPath, target);
  kubelet?.start();
  return {
    ...target,
    kubeconfig: kubeconfigText(target),
    kubeconfigPath,
    api,
    compact: () => storage.compact(),
    async close() {
      // Processes first: their last words still reach those who follow the logs.
      await kubelet?.stop();
      for (const controller of controllers) controller.stop();
      await server.close();
      journal?.close();
      if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
    },
  };
}
