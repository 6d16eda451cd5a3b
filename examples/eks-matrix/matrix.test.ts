/**
 * The chart as its users get it: rendered by the real helm, every object checked against the generated CRD, and the scripts run on this
 * machine for the cells whose outcome the README promises.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { validateManifests } from '../../crds/validate.ts';
import { renderChart } from '../../tools/helm.ts';

interface Rendered {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Record<string, string> };
  readonly data?: Record<string, string>;
  readonly spec?: { readonly cron?: string; readonly interval?: string; readonly jobTemplate: { readonly spec: Record<string, unknown> } };
}

const chart = import.meta.dirname;
const demoValues = path.join(chart, 'values-demo.yaml');
const stages = ['beta', 'prod'];
const regions = ['us-west-2', 'us-east-1', 'eu-west-1', 'ap-northeast-1'];
const jobs = ['conformance', 'conformance-fast-1', 'conformance-fast-4', 'gpu', 'hpa'];
const cells = stages.flatMap((stage) => regions.flatMap((region) => jobs.map((job) => `eks-${stage}-${region}-${job}`)));

const render = (valuesFiles: readonly string[], set: readonly string[] = []): Rendered[] =>
  parseAllDocuments(renderChart({ chart, namespace: 'eks', valuesFiles, set })).map((document) => document.toJS() as Rendered);

describe.each([
  { values: 'production', files: [] },
  { values: 'demo', files: [demoValues] },
])('rendered with the $values values', ({ files }) => {
  let objects: Rendered[] = [];
  beforeAll(() => {
    objects = render(files);
  });

  it('is forty Periodics and one ConfigMap', () => {
    const periodics = objects.filter((object) => object.kind === 'Periodic').map((object) => object.metadata.name);
    expect(periodics.sort()).toEqual([...cells].sort());
    expect(objects.length - periodics.length).toBe(1);
  });

  it('is valid: every object is what the schema and its rules ask for', () => {
    const { problems, checked, skipped } = validateManifests([
      { file: 'rendered', text: renderChart({ chart, namespace: 'eks', valuesFiles: files }) },
    ]);
    expect({ problems, checked, skipped }).toEqual({ problems: [], checked: 40, skipped: 1 });
  });

  it('mounts the ConfigMap that it brings, and runs a script that is in it', () => {
    const suite = objects.find((object) => object.kind === 'ConfigMap');
    for (const object of objects.filter(({ kind }) => kind === 'Periodic')) {
      const podSpec = JSON.stringify(object.spec?.jobTemplate.spec.pod_spec);
      const script = /\/opt\/eks-matrix\/([a-z]+\.sh)/.exec(podSpec)?.[1];
      expect(Object.keys(suite?.data ?? {})).toContain(script);
      expect(podSpec).toContain(`"configMap":{"name":"${suite?.metadata.name ?? ''}"}`);
    }
  });
});

describe('the chart', () => {
  it('lets the soaking cluster be chosen', () => {
    const soaking = render([], ['soak.cluster=beta-eu-west-1', 'soak.minutes=7']).filter((object) =>
      JSON.stringify(object).includes('{"name":"SOAK_MINUTES","value":"7"}'),
    );
    expect(soaking.map((object) => object.metadata.name)).toEqual(['eks-beta-eu-west-1-hpa']);
  });

  it('refuses a job with two schedules, naming it', () => {
    expect(() => render([], ['jobs.gpu.cron=0 0 * * *'])).toThrow(/jobs\.gpu: set cron or interval, not both/);
  });
});

interface Outcome {
  readonly cell: string;
  readonly script: string;
  readonly env?: Record<string, string>;
  readonly exitCode: number;
  readonly says: RegExp;
}

const fast = { FOCUS: 'fast', WORKERS: '1' };
const fast4 = { FOCUS: 'fast', WORKERS: '4' };
const outcomes: readonly Outcome[] = [
  { cell: 'beta us-west-2', script: 'conformance', exitCode: 0, says: /SUCCESS! 10 passed, 0 failed/ },
  { cell: 'beta us-west-2', script: 'conformance', env: fast, exitCode: 0, says: /SUCCESS! 4 passed, 0 failed/ },
  { cell: 'beta us-west-2', script: 'conformance', env: fast4, exitCode: 0, says: /4 workers ended in \d+ s, 0 of them with failures/ },
  { cell: 'beta us-west-2', script: 'gpu', exitCode: 0, says: /SUCCESS! 4 passed/ },
  { cell: 'beta us-west-2', script: 'hpa', exitCode: 0, says: /SUCCESS! 4 passed/ },
  { cell: 'beta us-east-1', script: 'conformance', exitCode: 1, says: /kubelet 1\.32\.9 under a control plane 1\.36\.1/ },
  { cell: 'beta ap-northeast-1', script: 'conformance', env: fast, exitCode: 1, says: /is not ready[^]*FAIL! 3 passed, 1 failed/ },
  { cell: 'beta ap-northeast-1', script: 'conformance', env: fast4, exitCode: 1, says: /is not ready[^]*1 of them with failures/ },
  { cell: 'prod eu-west-1', script: 'conformance', exitCode: 1, says: /overlaps ip-10-116/ },
  { cell: 'beta eu-west-1', script: 'hpa', exitCode: 1, says: /% of capacity with 20 replicas/ },
];

describe('the scripts', () => {
  const scratch = mkdtempSync(path.join(tmpdir(), 'eks-matrix-'));
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  const command = ({ cell, script, env }: Pick<Outcome, 'cell' | 'script' | 'env'>): { args: string[]; env: NodeJS.ProcessEnv } => {
    const [stage, region] = cell.split(' ');
    const prow = { JOB_NAME: 'j', JOB_TYPE: 'periodic', JOB_SPEC: '{"job":"j"}', BUILD_ID: '1', PROW_JOB_ID: 'p' };
    return {
      args: [path.join(chart, 'files', `${script}.sh`)],
      env: { PATH: process.env.PATH, STAGE: stage, REGION: region, PACE: '0', SCRATCH: scratch, ...prow, ...env },
    };
  };

  it.each(outcomes)('$cell $script $env ends with $exitCode', (outcome) => {
    const { args, env } = command(outcome);
    const { status, stdout } = spawnSync('sh', args, { env, encoding: 'utf8' });
    expect(stdout).toMatch(outcome.says);
    expect(status).toBe(outcome.exitCode);
  });

  it('wait on prod us-east-1 for a device that never comes, until they are stopped', async () => {
    const { args, env } = command({ cell: 'prod us-east-1', script: 'gpu' });
    const child = spawn('sh', args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    let polls = 0;
    for await (const line of createInterface(child.stdout)) {
      if (line.includes('waiting: 3 of 4 devices are registered') && ++polls === 2) child.kill('SIGTERM');
    }
    expect(await ended).toEqual([null, 'SIGTERM']);
    expect(polls).toBe(2);
  });
});
