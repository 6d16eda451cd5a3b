/**
 * The programs of a cluster on this machine, one by one: started, held still, killed, started again, as a bad day would do it. Each is in the
 * record of the cluster before anybody waits for it, so taking the cluster down ends it too, whatever became of the test.
 */
import path from 'node:path';
import { argumentsOf, healthUrl } from './components.ts';
import type { ComponentName } from './components.ts';
import { places } from './configFiles.ts';
import { ClusterError } from './errors.ts';
import { answers } from './health.ts';
import type { Plan } from './plan.ts';
import { end, isAlive, launch, signal, tail } from './processes.ts';
import type { ProcessRecord, RecordFile } from './record.ts';
import { until } from './terminal.ts';

const readyMs = 120_000;

export class Parts {
  readonly plan: Plan;
  readonly #record: RecordFile;
  /** In front of the names in the record: programs of several servers may be in one. */
  readonly #prefix: string;

  constructor(plan: Plan, record: RecordFile, prefix = '') {
    this.plan = plan;
    this.#record = record;
    this.#prefix = prefix;
  }

  /** Starts a program and remembers it. One of the same name that has ended is forgotten. */
  launch(name: ComponentName): void {
    const program = name === 'containerd' ? 'containerd' : path.join(this.plan.binDir, name);
    const args = argumentsOf(name, this.plan);
    const started = launch({ name: this.#prefix + name, program, args, logFile: this.#logFile(name), cwd: this.plan.stateDir });
    this.#record.change({ processes: [...this.#others(name), started] });
  }

  /** Waits until a program says that it is ready; gives up at once when it has ended. */
  async healthy(name: ComponentName): Promise<void> {
    const url = healthUrl(name, this.plan);
    if (url !== undefined) await until(name, () => answers(url), this.wait(name));
  }

  /** How to wait for a program: until it has ended, and then with the end of its log. */
  wait(name: ComponentName) {
    return {
      timeoutMs: readyMs,
      failed: (): string | undefined => {
        const started = this.#find(name);
        return started === undefined || isAlive(started) ? undefined : `${name} has ended. ${tail(this.#logFile(name))}`;
      },
    };
  }

  /** Launches it and waits until it is ready. */
  async start(name: ComponentName): Promise<void> {
    this.launch(name);
    await this.healthy(name);
  }

  /** It answers nobody any more and keeps its connections, as on a machine that hangs. */
  hold(name: ComponentName): void {
    signal([this.#get(name)], 'SIGSTOP');
  }

  /** It goes on where it was held; one that was not held does not notice. */
  release(name: ComponentName): void {
    signal([this.#get(name)], 'SIGCONT');
  }

  /** kill -9. Resolves when it is gone. The record keeps it, so that the cluster does not pass for one that is up. */
  async kill(name: ComponentName): Promise<void> {
    const process = this.#get(name);
    signal([process], 'SIGKILL');
    await until(`the end of ${name}`, () => !isAlive(process), { timeoutMs: readyMs });
  }

  /** Ends it in order, and forgets it. */
  async end(name: ComponentName): Promise<void> {
    const process = this.#find(name);
    if (process === undefined) return;
    if (isAlive(process)) signal([process], 'SIGCONT');
    await end([process]);
    this.#record.change({ processes: this.#others(name) });
  }

  #logFile(name: ComponentName): string {
    return path.join(places(this.plan).logs, `${name}.log`);
  }

  #find(name: ComponentName): ProcessRecord | undefined {
    return this.#record.read()?.processes.find((process) => process.name === this.#prefix + name);
  }

  #others(name: ComponentName): readonly ProcessRecord[] {
    return (this.#record.read()?.processes ?? []).filter((process) => process.name !== this.#prefix + name);
  }

  #get(name: ComponentName): ProcessRecord {
    const process = this.#find(name);
    if (process === undefined || !isAlive(process)) throw new ClusterError(`${name} does not run.`);
    return process;
  }
}
