/** A real Prometheus on a free port of 127.0.0.1 that scrapes one target each second and evaluates the rules of the chart on it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import { ruleFiles } from './rules.ts';

export interface PrometheusOptions {
  /** The program. */
  readonly program: string;
  /** An empty directory for its configuration and data. */
  readonly folder: string;
  /** host:port */
  readonly target: string;
  /** The labels of the target; job is the name of the scrape job. The rules are narrowed down to job and namespace, as the chart does it. */
  readonly labels: { readonly job: string; readonly namespace: string; readonly pod: string };
}

export interface EvaluatedRule {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
  readonly alerts?: readonly { readonly state: string; readonly labels: Readonly<Record<string, string>> }[];
}

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [time: number, value: string];
}

export class Prometheus {
  readonly #url: string;
  readonly #child: ChildProcess;

  private constructor(url: string, child: ChildProcess) {
    this.#url = url;
    this.#child = child;
  }

  /** Resolves when it answers. Rejects with what it wrote when it ends before that. */
  static async start(options: PrometheusOptions): Promise<Prometheus> {
    const { program, folder } = options;
    const config = path.join(folder, 'prometheus.yaml');
    writeFileSync(config, configOf(options));
    const args = [`--config.file=${config}`, `--storage.tsdb.path=${path.join(folder, 'data')}`, '--web.listen-address=127.0.0.1:0'];
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    try {
      return new Prometheus(`http://${await addressOf(child)}`, child);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  async query(expr: string): Promise<readonly Series[]> {
    const { result } = await this.#get<{ readonly result: readonly Series[] }>(`query?query=${encodeURIComponent(expr)}`);
    return result;
  }

  async rules(): Promise<readonly EvaluatedRule[]> {
    const { groups } = await this.#get<{ readonly groups: readonly { readonly rules: readonly EvaluatedRule[] }[] }>('rules');
    return groups.flatMap((group) => group.rules);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await exited;
  }

  async #get<T>(what: string): Promise<T> {
    const response = await fetch(`${this.#url}/api/v1/${what}`);
    const answer = (await response.json()) as { readonly status: string; readonly error?: string; readonly data: T };
    if (answer.status !== 'success') throw new Error(`Prometheus refuses ${what}: ${answer.error ?? response.status}`);
    return answer.data;
  }
}

function configOf({ folder, target, labels: { job, ...labels } }: PrometheusOptions): string {
  const copies = ruleFiles.map((file) => {
    const copy = path.join(folder, path.basename(file));
    const text = readFileSync(file, 'utf8').replaceAll('job="prow-operator"', `job="${job}",namespace="${labels.namespace}"`);
    writeFileSync(copy, text);
    return copy;
  });
  return stringify({
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: copies,
    scrape_configs: [{ job_name: job, static_configs: [{ targets: [target], labels }] }],
  });
}

/** Reads on for ever: a process whose output nobody takes stops, and one whose output is closed ends. */
function addressOf(child: ChildProcess): Promise<string> {
  let written = '';
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`Prometheus ended: ${written}`)));
    child.stderr?.on('data', (chunk: Buffer) => {
      if (written.length < 1_000_000) written += chunk.toString('utf8');
      const address = /msg="Listening on" address=(\S+)/.exec(written)?.[1];
      if (address !== undefined) resolve(address);
    });
  });
}
