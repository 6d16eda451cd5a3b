import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultPolicy, type JobPolicy } from '../jobs/policy.ts';
import { SettingsError, defaultSettings, loadSettings } from './loadSettings.ts';
import { settingsReference } from './reference.ts';

const faultsOf = (text: string): readonly string[] => {
  try {
    loadSettings(text, 'settings.yaml');
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.message.split('\n');
    throw error;
  }
};

describe('defaults', () => {
  it('hold for an empty file, and for one with comments only', () => {
    expect(loadSettings('', 'x')).toEqual(defaultSettings());
    expect(loadSettings('# nothing\n---\n', 'x')).toEqual(defaultSettings());
    expect(loadSettings('prowJobs:\n  timeouts:\n    # queue: 1h\nserver:\n', 'x')).toEqual(defaultSettings());
  });

  it('are those of the job policy', () => {
    const { tenants, presets, decorationDefaults, prowJobs, cleanup }: JobPolicy = defaultSettings();
    const { workers: _runs, ...runs } = prowJobs as JobPolicy['prowJobs'] & { readonly workers: number };
    const { workers: _deletions, ...deletions } = cleanup as JobPolicy['cleanup'] & { readonly workers: number };
    expect({ tenants, presets, decorationDefaults, prowJobs: runs, cleanup: deletions }).toEqual(defaultPolicy);
  });
});

it('reads a whole file', () => {
  const text = `
podNamespace: test-pods
tenants:
  - namespace: team-a
    podNamespaces: [team-a-pods, shared-pods]
  - namespace: team-b
    maxConcurrency: 12
  - {namespace: team-c, podNamespaces: [], maxConcurrency: 0}
prowJobs:
  workers: 5
  maxConcurrency: 100
  maxConcurrencyPerNamespace: 40
  defaultClusterMaxConcurrency: 60
  supersede: CancelIfNotStarted
  queueCapacities: {gpu: 2, "__proto__": -1}
  timeouts: {queue: 1h30m, unscheduled: 90s, pending: 10m, running: 2h}
  maxRevivals: 0
  jobUrlTemplate: https://ci.example.com/{{namespace}}/{{name}}
  jobUrlPrefixes: {"*": "https://ci.example.com/view/", acme/widget: "https://acme.example.com"}
  jobUrlOmitProvider: true
presets:
  - labels: {preset-service: "true"}
    env: [{name: ZONE, value: eu}]
    volumes: [{name: key, secret: {secretName: key}}]
    volumeMounts: [{name: key, mountPath: /etc/key, readOnly: true}]
    tolerations: [{key: tests, operator: Exists}]
decorationDefaults:
  - config: {timeout: 2h, grace_period: 15s, default_memory_request: 1Gi}
  - {repo: acme/widget, cluster: gpu, config: {scheduling_options: {affinity: {nodeAffinity: {}}, tolerations: [{key: gpu}]}}}
periodics: {workers: 7, startsPerSecond: 50, catchUpStartsPerSecond: 5}
periodicBackfills: {workers: 6}
periodicSets: {workers: 5}
pluginConfigs: {workers: 2}
cleanup: {workers: 3, prowJobTTL: 24h, podTTL: 1h, orphanAge: 1m, deletesPerSecond: 5, excludeClusters: [old, default]}
logging: {level: debug, format: human}
leaderElection: {enabled: false, namespace: prow, name: mine, leaseDuration: 30s, renewDeadline: 20s, retryPeriod: 5s}
server: {host: 127.0.0.1, port: 0}
`;
  const minuteMs = 60_000;
  expect(loadSettings(text, 'x')).toEqual({
    podNamespace: 'test-pods',
    tenants: new Map([
      ['team-a', ['team-a-pods', 'shared-pods']],
      ['team-b', []],
      ['team-c', []],
    ]),
    prowJobs: {
      workers: 5,
      maxConcurrency: 100,
      maxConcurrencyPerNamespace: 40,
      namespaceLimits: new Map([
        ['team-b', 12],
        ['team-c', 0],
      ]),
      defaultClusterMaxConcurrency: 60,
      supersede: 'CancelIfNotStarted',
      queueCapacities: new Map([
        ['gpu', 2],
        ['__proto__', -1],
      ]),
      timeouts: { queueMs: 90 * minuteMs, unscheduledMs: 90_000, pendingMs: 10 * minuteMs, runningMs: 120 * minuteMs },
      maxRevivals: 0,
      jobUrlTemplate: 'https://ci.example.com/{{namespace}}/{{name}}',
      jobUrlPrefixes: new Map([
        ['*', 'https://ci.example.com/view/'],
        ['acme/widget', 'https://acme.example.com'],
      ]),
      jobUrlOmitProvider: true,
    },
    presets: [
      {
        labels: { 'preset-service': 'true' },
        env: [{ name: 'ZONE', value: 'eu' }],
        volumes: [{ name: 'key', secret: { secretName: 'key' } }],
        volumeMounts: [{ name: 'key', mountPath: '/etc/key', readOnly: true }],
        tolerations: [{ key: 'tests', operator: 'Exists' }],
      },
    ],
    decorationDefaults: [
      { config: { timeout: '2h', grace_period: '15s', default_memory_request: '1Gi' } },
      {
        repo: 'acme/widget',
        cluster: 'gpu',
        config: { scheduling_options: { affinity: { nodeAffinity: {} }, tolerations: [{ key: 'gpu' }] } },
      },
    ],
    periodics: { workers: 7, startsPerSecond: 50, catchUpStartsPerSecond: 5 },
    periodicBackfills: { workers: 6 },
    periodicSets: { workers: 5 },
    pluginConfigs: { workers: 2 },
    cleanup: {
      workers: 3,
      prowJobTTLMs: 1440 * minuteMs,
      podTTLMs: 60 * minuteMs,
      orphanAgeMs: minuteMs,
      deletesPerSecond: 5,
      excludeClusters: ['old', 'default'],
    },
    logging: { level: 'debug', format: 'human' },
    leaderElection: {
      enabled: false,
      namespace: 'prow',
      name: 'mine',
      shards: 1,
      leaseDurationMs: 30_000,
      renewDeadlineMs: 20_000,
      retryPeriodMs: 5_000,
    },
    server: { host: '127.0.0.1', port: 0 },
  });
});

/** Every fault names file, line, column, field, and what to do. */
const faults: readonly { readonly name: string; readonly text: string; readonly want: readonly string[] }[] = [
  {
    name: 'an unknown field',
    text: 'prowJobs:\n  worker: 3\n',
    want: ['settings.yaml:2:3: prowJobs.worker: unknown field; did you mean workers?'],
  },
  {
    name: 'an unknown field like none',
    text: 'server: {tls: true}',
    want: ['settings.yaml:1:10: server.tls: unknown field; known are host, port'],
  },
  {
    name: 'a wrong type',
    text: 'prowJobs:\n  workers: many',
    want: ['settings.yaml:2:12: prowJobs.workers: must be a whole number, found "many"'],
  },
  {
    name: 'a fraction',
    text: 'prowJobs: {workers: 1.5}',
    want: ['settings.yaml:1:21: prowJobs.workers: must be a whole number, found 1.5'],
  },
  {
    name: 'too few',
    text: 'periodics: {startsPerSecond: -1}',
    want: ['settings.yaml:1:30: periodics.startsPerSecond: must be between 0 and 1000000, found -1'],
  },
  {
    name: 'no worker for periodics',
    text: 'periodics: {workers: 0}',
    want: ['settings.yaml:1:22: periodics.workers: must be between 1 and 1000000, found 0'],
  },
  {
    name: 'a duration without a unit',
    text: 'cleanup:\n  podTTL: "5"',
    want: ['settings.yaml:2:11: cleanup.podTTL: invalid duration "5": missing unit; write 30s, 10m or 1h30m'],
  },
  {
    name: 'fewer deletions than none',
    text: 'cleanup: {deletesPerSecond: -1}',
    want: ['settings.yaml:1:29: cleanup.deletesPerSecond: must be between 0 and 1000000, found -1'],
  },
  {
    name: 'an alias that is none',
    text: 'cleanup:\n  excludeClusters: [""]',
    want: ['settings.yaml:2:21: cleanup.excludeClusters[0]: must not be empty'],
  },
  {
    name: 'no duration',
    text: 'cleanup:\n  podTTL: 0s',
    want: ['settings.yaml:2:11: cleanup.podTTL: must be longer than nothing, found "0s"'],
  },
  {
    name: 'one of a few words',
    text: 'logging: {level: loud}',
    want: ['settings.yaml:1:18: logging.level: must be one of error, warn, info, debug, found "loud"'],
  },
  {
    name: 'a name',
    text: 'podNamespace: Test_Pods',
    want: ['settings.yaml:1:15: podNamespace: must be a name of lower-case letters, digits and \'-\', found "Test_Pods"'],
  },
  {
    name: 'a missing field',
    text: 'tenants:\n  - podNamespaces: []\n',
    want: ['settings.yaml:2:5: tenants[0]: the field namespace is missing'],
  },
  {
    name: 'a tenant twice',
    text: 'tenants:\n  - {namespace: a, podNamespaces: []}\n  - {namespace: a, podNamespaces: [b]}\n',
    want: ['settings.yaml:3:17: tenants[1].namespace: "a" is listed twice; put its podNamespaces into one entry'],
  },
  { name: 'a list where fields belong', text: '- a', want: ['settings.yaml:1:1: must be a map of fields, found ["a"]'] },
  {
    name: 'a field without a value',
    text: 'prowJobs:\n  workers:\n',
    want: ['settings.yaml:2:11: prowJobs.workers: must be a whole number, found nothing'],
  },
  {
    name: 'several at once',
    text: 'a: 1\nb: 2\nserver: {port: 70000}',
    want: [
      expect.stringContaining('1:1: a: unknown field') as string,
      expect.stringContaining('2:1: b: unknown field') as string,
      'settings.yaml:3:16: server.port: must be between 0 and 65535, found 70000',
    ],
  },
  {
    name: 'a key twice',
    text: 'server: {port: 1}\nserver: {port: 2}',
    want: [expect.stringMatching(/^settings.yaml:2:1: Map keys must be unique/) as string],
  },
  { name: 'no YAML', text: 'a: [', want: [expect.stringMatching(/^settings.yaml:1:\d+: Flow sequence/) as string] },
  {
    name: 'election times that contradict each other',
    text: 'leaderElection: {leaseDuration: 10s}',
    want: ['settings.yaml:1:17: leaderElection.renewDeadline: must be shorter than leaseDuration'],
  },
  {
    name: 'a lease of half a second',
    text: 'leaderElection: {leaseDuration: 10500ms}',
    want: ['settings.yaml:1:33: leaderElection.leaseDuration: must be whole seconds: a Lease knows nothing shorter'],
  },
];

describe('faults', () => {
  it.each(faults)('$name', ({ text, want }) => {
    expect(faultsOf(text)).toEqual(want);
  });

  it('are found in a file that multiplies itself', () => {
    const bomb = `a: &a [x, x, x]\n${Array.from({ length: 9 }, (_, i) => `${'bcdefghij'[i] ?? ''}: &${'bcdefghij'[i] ?? ''} [${`*${'abcdefghi'[i] ?? ''}, `.repeat(9)}]`).join('\n')}`;
    expect(faultsOf(bomb)).toEqual(['settings.yaml:1:1: too many aliases: at most 50 are allowed']);
  });
});

it('has a reference page that says the same', async () => {
  await expect(settingsReference()).toMatchFileSnapshot(path.join(import.meta.dirname, '../../docs/reference/settings.md'));
});
