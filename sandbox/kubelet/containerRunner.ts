/**
 * One container of one pod, through all its runs: makes its environment and mounts, starts its process, writes each state into its record, and
 * restarts it with kubelet's back-off. It ends by itself when its policy says so, or when the pod ends it.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Container, ContainerState, Pod } from '../../operator/kube/builtin.ts';
import { ContainerLog } from './containerLog.ts';
import { startErrorMessage, startProcess } from './containerProcess.ts';
import type { ContainerProcess, ProcessPlan } from './containerProcess.ts';
import { commandLine, containerEnvironment, expand } from './environment.ts';
import type { EventText } from './eventWriter.ts';
import { pause, stamp } from './kubeletClock.ts';
import type { KubeletClock } from './kubeletClock.ts';
import type { Limiter } from './limiter.ts';
import { readLog } from './logReader.ts';
import { rewritePaths } from './mountPaths.ts';
import { NotReadyError } from './podApi.ts';
import type { ContentReader } from './podApi.ts';
import type { ContainerRecord } from './podStatus.ts';
import type { Reaper } from './reaper.ts';
import { containerMounts } from './volumes.ts';

/** What a container needs of its pod. */
export interface ContainerHost {
  readonly pod: Pod;
  readonly podDir: string;
  readonly podIP: string;
  readonly content: ContentReader;
  readonly clock: KubeletClock;
  readonly limiter: Limiter;
  readonly reaper: Pick<Reaper, 'track' | 'untrack'>;
  /** Aborted when the pod ends for another reason than its containers. */
  readonly ending: AbortSignal;
  /** How long, from its first attempt, a scenario lets the image not be pulled; Infinity: for ever. */
  readonly pullFailsMs: number;
  /** The record changed. */
  readonly changed: () => void;
  readonly event: (text: EventText) => void;
}

export const backOff = { firstMs: 10_000, longestMs: 300_000, resetAfterMs: 600_000 };
const retry = { firstMs: 1000, longestMs: 10_000 };
/** From an attempt to pull to the next look at the pod. */
const pullSyncMs = 2000;
const messageLimitBytes = 4096;
const messageTailLines = 80;
const standardPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export class ContainerRunner {
  readonly record: ContainerRecord;
  /** By restart count: the log of each run; the last two are kept. */
  readonly logs = new Map<number, ContainerLog>();
  readonly #host: ContainerHost;
  readonly #dir: string;
  /** Resolves when the first run has begun, or never will. */
  readonly started: Promise<void>;
  #begun: () => void = () => undefined;
  /** Ends this container alone; a sidecar's end. */
  readonly #stop = new AbortController();
  readonly #ending: AbortSignal;
  #process: ContainerProcess | undefined;
  #isOutOfMemory = false;
  #backOffMs = 0;

  constructor(record: ContainerRecord, host: ContainerHost) {
    this.record = record;
    this.#host = host;
    this.#dir = path.join(host.podDir, 'containers', record.spec.name);
    this.started = new Promise((resolve) => (this.#begun = resolve));
    this.#ending = AbortSignal.any([host.ending, this.#stop.signal]);
    this.#ending.addEventListener('abort', () => this.#begun(), { once: true });
  }

  get #ended(): boolean {
    return this.#ending.aborted;
  }

  /** Runs until the container is done by its restart policy; true when its last run ended with 0. */
  async run(): Promise<boolean> {
    for (;;) {
      const startedMs = this.#host.clock.now();
      const exitCode = await this.#runOnce();
      if (exitCode === undefined || this.#ended || !this.#restarts(exitCode)) return exitCode === 0;
      if (!(await this.#backOffAfter(this.#host.clock.now() - startedMs))) return false;
    }
  }

  /** SIGTERM to the container's processes, SIGKILL when the grace is over. No run starts after this. */
  stop(graceMs: number): void {
    this.#stop.abort();
    const running = this.#process;
    if (running === undefined) return;
    const text = `Stopping container ${this.record.spec.name}`;
    this.#event('Normal', 'Killing', text);
    if (graceMs <= 0) {
      running.signal('SIGKILL');
      return;
    }
    running.signal('SIGTERM');
    const timer = this.#host.clock.after(graceMs, () => running.signal('SIGKILL'));
    void running.exited.then(() => timer.cancel());
  }

  /** SIGKILL, now. */
  kill(): void {
    this.#stop.abort();
    this.#process?.signal('SIGKILL');
  }

  /** What the kernel does to a process that takes more memory than its container may have. */
  killForMemory(): void {
    this.#isOutOfMemory = this.#process !== undefined;
    this.#process?.signal('SIGKILL');
  }

  get #fieldPath(): string {
    return `spec.${this.record.role === 'main' ? 'containers' : 'initContainers'}{${this.record.spec.name}}`;
  }

  #restarts(exitCode: number): boolean {
    if (this.record.role === 'sidecar') return true;
    const policy = this.#host.pod.spec.restartPolicy ?? 'Always';
    if (this.record.role === 'init') return exitCode !== 0 && policy !== 'Never';
    return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0);
  }

  /** The exit code, or undefined when no process was started because the pod ended first. */
  async #runOnce(): Promise<number | undefined> {
    if (this.#host.pullFailsMs > 0) await this.#failToPull();
    const plan = await this.#planWithRetry();
    if (plan === undefined) return undefined;
    this.#countRestart();
    const log = this.#newLog();
    const running = await this.#host.limiter.run(async () => (this.#ended ? undefined : this.#start(plan, log)));
    if (running === undefined) {
      await log.end();
      return this.record.state.terminated?.exitCode;
    }
    this.#host.reaper.track(running.pid);
    const exitCode = await running.exited;
    this.#host.reaper.untrack(running.pid);
    this.#process = undefined;
    const startedAt = this.record.state.running?.startedAt;
    const terminated = {
      exitCode,
      reason: this.#isOutOfMemory ? 'OOMKilled' : exitCode === 0 ? 'Completed' : 'Error',
      ...(await this.#terminationMessage(exitCode, log)),
      ...(startedAt === undefined ? {} : { startedAt }),
      finishedAt: stamp(this.#host.clock.now()),
      containerID: this.record.containerID,
    };
    this.#isOutOfMemory = false;
    this.#set({ terminated });
    return exitCode;
  }

  async #start(plan: ProcessPlan, log: ContainerLog): Promise<ContainerProcess | undefined> {
    const { name } = this.record.spec;
    this.record.containerID = `process://${randomBytes(32).toString('hex')}`;
    try {
      this.#process = await startProcess(plan, log);
    } catch (error) {
      const message = startErrorMessage(plan, error);
      const finishedAt = stamp(this.#host.clock.now());
      this.#event('Warning', 'Failed', `Error: ${message}`);
      const { containerID } = this.record;
      const terminated = { exitCode: 128, reason: 'StartError', message, startedAt: '1970-01-01T00:00:00Z', finishedAt, containerID };
      this.#set({ terminated });
      return undefined;
    }
    this.#set({ running: { startedAt: stamp(this.#host.clock.now()) } });
    this.#event('Normal', 'Created', `Created container: ${name}`);
    this.#event('Normal', 'Started', `Started container ${name}`);
    // The end may have been asked for while the process was being started.
    if (this.#ended) this.#process.signal('SIGKILL');
    return this.#process;
  }

  /** A run after the first: what the container was becomes its last state at the moment the next run begins. */
  #countRestart(): void {
    if (this.logs.size === 0) return;
    if (this.record.state.terminated !== undefined) this.record.lastState = this.record.state;
    this.record.restartCount++;
  }

  #newLog(): ContainerLog {
    const restart = this.record.restartCount;
    const log = new ContainerLog(path.join(this.#dir, 'logs', String(restart)), () => this.#host.clock.now());
    this.logs.set(restart, log);
    const old = restart - 2;
    if (this.logs.delete(old)) void rm(path.join(this.#dir, 'logs', String(old)), { recursive: true, force: true });
    return log;
  }

  /** As kubelet does with an image that the registry does not have: it tries, waits longer each time, and tries again. */
  async #failToPull(): Promise<void> {
    const { clock, pullFailsMs } = this.#host;
    const image = this.record.spec.image ?? '';
    const name = JSON.stringify(image);
    const why = `failed to pull and unpack image ${name}: failed to resolve reference ${name}: ${image}: not found`;
    const endMs = clock.now() + pullFailsMs;
    const wait = (ms: number): Promise<void> => pause(clock, Math.min(ms, endMs - clock.now()), this.#ending);
    const waits = (reason: string, message: string): void => {
      this.#set({ waiting: { reason, message } });
      this.#event('Warning', 'Failed', `Error: ${reason}`);
    };
    for (let delayMs = backOff.firstMs; clock.now() < endMs && !this.#ended; delayMs = Math.min(delayMs * 2, backOff.longestMs)) {
      this.#event('Normal', 'Pulling', `Pulling image ${name}`);
      this.#event('Warning', 'Failed', `Failed to pull image ${name}: ${why}`);
      waits('ErrImagePull', why);
      await wait(pullSyncMs);
      this.#event('Normal', 'BackOff', `Back-off pulling image ${name}`);
      waits('ImagePullBackOff', `Back-off pulling image ${name}: ErrImagePull: ${why}`);
      await wait(delayMs);
    }
  }

  #event(type: EventText['type'], reason: string, message: string): void {
    this.#host.event({ type, reason, message, fieldPath: this.#fieldPath });
  }

  /** Tries until everything the container refers to exists. Undefined when the pod ended first. */
  async #planWithRetry(): Promise<ProcessPlan | undefined> {
    const { spec } = this.record;
    if (spec.command === undefined || spec.command.length === 0) return this.#refuseImage(spec);
    for (let delayMs = retry.firstMs; !this.#ended; delayMs = Math.min(delayMs * 2, retry.longestMs)) {
      try {
        return await this.#plan();
      } catch (error) {
        const expected = error instanceof NotReadyError;
        const reason = expected ? 'CreateContainerConfigError' : 'CreateContainerError';
        const { message } = error as Error;
        this.#set({ waiting: { reason, message } });
        this.#event('Warning', 'Failed', `Error: ${message}`);
        await pause(this.#host.clock, delayMs, this.#ending);
      }
    }
    return undefined;
  }

  /** As with an image that is not there and must not be pulled: the container waits for ever, and says why. */
  async #refuseImage(spec: Container): Promise<undefined> {
    const message = `Container image ${JSON.stringify(spec.image ?? '')} is not pulled: the sandbox runs pods as local processes. Give container "${spec.name}" a command.`;
    this.#set({ waiting: { reason: 'ErrImageNeverPull', message } });
    this.#event('Warning', 'ErrImageNeverPull', message);
    await new Promise<void>((resolve) => {
      if (this.#ended) {
        resolve();
        return;
      }
      this.#ending.addEventListener('abort', () => resolve(), { once: true });
    });
    return undefined;
  }

  async #plan(): Promise<ProcessPlan> {
    const { pod, podDir, podIP, content } = this.#host;
    const { spec } = this.record;
    const home = path.join(this.#dir, 'home');
    await mkdir(home, { recursive: true });
    await rm(this.#messageFile, { force: true });
    const termination = { mountPath: spec.terminationMessagePath ?? '/dev/termination-log', hostPath: this.#messageFile };
    const declared = [...(await containerMounts(pod, spec, podDir)), termination];
    const workingDir = await this.#workingDir(spec, declared, home);
    const mounts = workingDir.mount === undefined ? declared : [...declared, workingDir.mount];
    const hostname = (pod.spec.hostname as string | undefined) ?? pod.metadata.name;
    const base = new Map([
      ['PATH', standardPath],
      ['HOME', home],
      ['HOSTNAME', hostname],
    ]);
    const env = containerEnvironment({ pod, container: spec, content, mounts, podIP, base });
    return { argv: commandLine(spec, env, mounts), env, cwd: workingDir.cwd };
  }

  get #messageFile(): string {
    return path.join(this.#dir, 'termination-log');
  }

  /** A working directory that neither a volume nor this machine has is made in the pod's own directory, and is a mount like the others. */
  async #workingDir(
    spec: Container,
    mounts: readonly { readonly mountPath: string; readonly hostPath: string }[],
    home: string,
  ): Promise<{ cwd: string; mount?: { mountPath: string; hostPath: string } }> {
    if (spec.workingDir === undefined || spec.workingDir === '') return { cwd: home };
    const asked = expand(spec.workingDir, new Map());
    const rewritten = rewritePaths(asked, mounts);
    if (rewritten !== asked) {
      await mkdir(rewritten, { recursive: true });
      return { cwd: rewritten };
    }
    if (await isDirectory(asked)) return { cwd: asked };
    const own = path.join(this.#dir, 'root', path.resolve('/', asked));
    await mkdir(own, { recursive: true });
    return { cwd: own, mount: { mountPath: asked, hostPath: own } };
  }

  async #terminationMessage(exitCode: number, log: ContainerLog): Promise<{ message?: string }> {
    const text = await readFile(this.#messageFile, 'utf8').catch(() => '');
    if (text !== '') return { message: lastBytes(text) };
    if (this.record.spec.terminationMessagePolicy !== 'FallbackToLogsOnError' || exitCode === 0) return {};
    let tail = '';
    for await (const line of readLog(log, { tailLines: messageTailLines }, this.#host.clock.now())) tail += line.toString('utf8');
    return tail === '' ? {} : { message: lastBytes(tail) };
  }

  /** kubelet restarts the first time at once, then waits 10 s, 20 s … 5 min; ten good minutes reset it. False when the pod ended. */
  async #backOffAfter(ranMs: number): Promise<boolean> {
    if (ranMs >= backOff.resetAfterMs) this.#backOffMs = 0;
    const delayMs = this.#backOffMs;
    this.#backOffMs = delayMs === 0 ? backOff.firstMs : Math.min(delayMs * 2, backOff.longestMs);
    const { pod } = this.#host;
    if (delayMs === 0) return !this.#ended;
    const { name, namespace = '', uid = '' } = pod.metadata;
    const what = `restarting failed container=${this.record.spec.name} pod=${name}_${namespace}(${uid})`;
    const ended = this.record.state;
    this.record.lastState = ended;
    this.#set({ waiting: { reason: 'CrashLoopBackOff', message: `back-off ${goDuration(delayMs)} ${what}` } });
    this.#event('Warning', 'BackOff', `Back-off ${what}`);
    await pause(this.#host.clock, delayMs, this.#ending);
    if (!this.#ended) return true;
    // The pod ends while the container waits: what it shows is how its last run ended.
    this.#set(ended);
    return false;
  }

  #set(state: ContainerState): void {
    this.record.state = state;
    if (state.waiting === undefined) this.#begun();
    this.#host.changed();
  }
}

const isDirectory = (file: string): Promise<boolean> =>
  stat(file).then(
    (found) => found.isDirectory(),
    () => false,
  );

/** The message of a container is at most 4 KiB; its end says most. */
function lastBytes(text: string): string {
  const bytes = Buffer.from(text);
  return bytes.length <= messageLimitBytes ? text : bytes.subarray(bytes.length - messageLimitBytes).toString('utf8');
}

function goDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
