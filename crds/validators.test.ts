import { describe, expect, it } from 'vitest';
import {
  decode,
  isBuildCluster,
  isPeriodic,
  isPeriodicBackfill,
  isPeriodicSet,
  isPluginConfig,
  isProwJob,
  type KindName,
} from './validators.ts';

const metadata = { name: 'a' };
const sound: Readonly<Record<KindName, object>> = {
  ProwJob: {
    metadata,
    spec: { type: 'periodic', job: 'a', pod_spec: { containers: [] }, decoration_config: { default_memory_request: '1Gi' } },
    status: { state: 'triggered' },
  },
  Periodic: { metadata, spec: { interval: '1h', jobTemplate: { spec: {} } } },
  PeriodicSet: { metadata, spec: { include: [{ a: 'b' }], template: { metadata: { name: 'a' }, spec: { interval: '${a}' } } } },
  PeriodicBackfill: { metadata, spec: { periodic: 'a', from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' } },
  PluginConfig: { metadata, spec: { repos: ['*'], config: { lgtm: {} } } },
  BuildCluster: { metadata, spec: { alias: 'gpu', kubeconfigSecretRef: { name: 'a', key: 'b' } } },
};

describe('decode', () => {
  it.each(Object.entries(sound) as [KindName, object][])('gives a sound %s back', (kind, object) => {
    expect(decode(kind, object)).toEqual({ ok: true, value: object });
  });

  it('lets fields of a newer version pass', () => {
    expect(decode('Periodic', { ...sound.Periodic, later: 1 }).ok).toBe(true);
  });

  const bad: readonly {
    readonly name: string;
    readonly kind: KindName;
    readonly object: unknown;
    readonly path: string;
    readonly message: RegExp;
  }[] = [
    { name: 'a missing field', kind: 'ProwJob', object: { metadata, spec: { type: 'batch' } }, path: 'spec.job', message: /is missing/ },
    {
      name: 'a wrong type',
      kind: 'ProwJob',
      object: { metadata, spec: { type: 'batch', job: 1 } },
      path: 'spec.job',
      message: /must be string/,
    },
    {
      name: 'a wrong item',
      kind: 'ProwJob',
      object: {
        metadata,
        spec: { type: 'batch', job: 'a', refs: { org: 'a', repo: 'b', pulls: [{ number: 'x', author: 'a', sha: 'b' }] } },
      },
      path: 'spec.refs.pulls[0].number',
      message: /must be integer/,
    },
    {
      name: 'an unknown state',
      kind: 'ProwJob',
      object: { metadata, spec: { type: 'batch', job: 'a' }, status: { state: 'done' } },
      path: 'status.state',
      message: /must be one of scheduling, triggered/,
    },
    {
      name: 'no time',
      kind: 'Periodic',
      object: { metadata, spec: { interval: '1h', jobTemplate: { spec: {} }, suspendUntil: 'soon' } },
      path: 'spec.suspendUntil',
      message: /date-time/,
    },
    { name: 'no object', kind: 'BuildCluster', object: null, path: '', message: /must be object/ },
  ];
  it.each(bad)('refuses $name', ({ kind, object, path, message }) => {
    const result = decode(kind, object);
    expect(result.ok ? [] : result.problems).toEqual([{ path, message: expect.stringMatching(message) as string }]);
  });

  it('names every problem', () => {
    const result = decode('ProwJob', { metadata, spec: { report: 'yes' } });
    expect(result.ok ? [] : result.problems.map((problem) => problem.path).sort()).toEqual(['spec.job', 'spec.report', 'spec.type']);
  });
});

describe('the type guards', () => {
  const guards = {
    ProwJob: isProwJob,
    Periodic: isPeriodic,
    PeriodicSet: isPeriodicSet,
    PeriodicBackfill: isPeriodicBackfill,
    PluginConfig: isPluginConfig,
    BuildCluster: isBuildCluster,
  };
  it.each(Object.keys(guards) as KindName[])('know a %s from the others', (kind) => {
    const others = (Object.keys(sound) as KindName[]).filter((other) => other !== kind);
    expect(guards[kind](sound[kind])).toBe(true);
    expect(others.map((other) => guards[kind](sound[other]))).toEqual(others.map(() => false));
  });
});
