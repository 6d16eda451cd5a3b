/** Values that cannot work are refused before anything is installed, with the name of the value; values that change do what they should. */
import { describe, expect, it } from 'vitest';
import { SettingsWatcher, type SettingsChange } from '../../operator/config/settingsWatcher.ts';
import { FakeClock } from '../../operator/runtime/testing/fakeClock.ts';
import { one, refusal, render, type Manifest } from './chart.ts';

interface BadValue {
  readonly set: readonly string[];
  readonly says: string | RegExp;
}

const bad: readonly BadValue[] = [
  { set: ['replicas=3'], says: "additional properties 'replicas' not allowed" },
  { set: ['image.name=x'], says: "at '/image': additional properties 'name' not allowed" },
  { set: ['image.tag=latest'], says: "at '/image/tag'" },
  { set: ['image.digest=sha256:abc'], says: "at '/image/digest'" },
  { set: ['image.pullPolicy=Sometimes'], says: "at '/image/pullPolicy': value must be one of" },
  { set: ['replicaCount=two'], says: "at '/replicaCount': got string, want integer" },
  { set: ['replicaCount=-1'], says: "at '/replicaCount'" },
  { set: ['watchNamespace=Team'], says: "at '/watchNamespace'" },
  { set: ['settings.prowJobs.worker=5'], says: "at '/settings/prowJobs': additional properties 'worker' not allowed" },
  { set: ['settings.cleanup.podTTL=1d'], says: "at '/settings/cleanup/podTTL'" },
  { set: ['settings.logging.level=loud'], says: "at '/settings/logging/level'" },
  { set: ['podDisruptionBudget.maxUnavailable=half'], says: "at '/podDisruptionBudget/maxUnavailable'" },
  { set: ['metrics.serviceMonitor.interval=often'], says: "at '/metrics/serviceMonitor/interval'" },
  { set: ['admissionPolicy.validationActions={Shout}'], says: "at '/admissionPolicy/validationActions/0'" },
  { set: ['admissionPolicy.profiles.trusted.root=true'], says: "at '/admissionPolicy/profiles/trusted'" },
  { set: ['admissionPolicy.profiles.Trusted.privileged=true'], says: "invalid propertyName 'Trusted'" },
  { set: ['resources.limits.memory=1.5Gi'], says: 'resources.limits.memory: "1.5Gi" is not a whole number' },
  { set: ['settings.leaderElection.enabled=false'], says: 'settings.leaderElection.enabled: false allows one replica only' },
  { set: ['settings.leaderElection.enabled=false', 'replicaCount=1'], says: 'updateStrategy.type: must be Recreate' },
  { set: ['watchNamespace=team', 'settings.podNamespace=pods'], says: 'settings.podNamespace: "pods" is not watchNamespace "team"' },
  {
    set: ['watchNamespace=team', 'settings.tenants[0].namespace=team', 'settings.tenants[0].podNamespaces={other}'],
    says: 'settings.tenants: podNamespaces outside watchNamespace "team"',
  },
  { set: ['watchNamespace=team', 'settings.leaderElection.shards=2'], says: 'shards divide namespaces, and watchNamespace is only one' },
  { set: ['settings.leaderElection.shards=0'], says: 'settings/leaderElection/shards' },
  { set: ['watchNamespace=team', 'test.namespace=other'], says: 'test.namespace: "other" is not watchNamespace "team"' },
  {
    set: ['admissionPolicy.enabled=true', 'admissionPolicy.profiles.default=null'],
    says: 'admissionPolicy.profiles: the profile default is missing',
  },
  {
    set: ['metrics.service.enabled=false', 'metrics.serviceMonitor.enabled=true'],
    says: 'metrics.serviceMonitor.enabled: needs metrics.service.enabled',
  },
  {
    set: ['metrics.prometheusRule.enabled=true', 'metrics.prometheusRule.disabled={Nothing}'],
    says: 'there is no alert "Nothing"; known are',
  },
];

describe('values that cannot work', () => {
  it.each(bad.map((row) => ({ ...row, values: row.set.join(' ') })))('$values', ({ set, says }) => {
    expect(refusal({ set })).toMatch(says);
  });

  it('leave a way for a single replica without leader election', () => {
    const set = ['settings.leaderElection.enabled=false', 'replicaCount=1', 'updateStrategy.type=Recreate'];
    const manifests = render({ set: [...set, 'crds.install=false'] });
    expect(one(manifests, 'Deployment').spec.strategy).toEqual({ type: 'Recreate' });
    expect(manifests.filter(({ metadata }) => metadata.name.endsWith('-leader'))).toEqual([]);
  });
});

interface Change {
  readonly set: string;
}

const changes: readonly Change[] = [
  { set: 'settings.prowJobs.workers=7' },
  { set: 'settings.periodics.workers=7' },
  { set: 'settings.pluginConfigs.workers=7' },
  { set: 'settings.cleanup.workers=7' },
  { set: 'settings.leaderElection.leaseDuration=60s' },
  { set: 'settings.server.port=9090' },
  { set: 'settings.logging.level=debug' },
  { set: 'settings.prowJobs.maxConcurrency=7' },
  { set: 'settings.prowJobs.queueCapacities.gpu=2' },
  { set: 'settings.prowJobs.timeouts.queue=1h' },
  { set: 'settings.cleanup.podTTL=1h' },
  { set: 'settings.podNamespace=elsewhere' },
];

describe('a change of the settings', () => {
  const settingsOf = (manifests: readonly Manifest[]): string => one(manifests, 'ConfigMap').data['settings.yaml'] as string;
  const checksumOf = (manifests: readonly Manifest[]): unknown =>
    one(manifests, 'Deployment').spec.template.metadata.annotations['checksum/start-settings'];

  it.each(changes)('$set replaces the pods only when the operator says that it needs a restart', async ({ set }) => {
    const [before, after] = [render({ set: ['crds.install=false'] }), render({ set: ['crds.install=false', set] })];
    let text = settingsOf(before);
    const seen: SettingsChange[] = [];
    const fail = (error: Error): never => {
      throw error;
    };
    const watcher = await SettingsWatcher.open({
      file: 'settings.yaml',
      read: () => Promise.resolve(text),
      clock: new FakeClock(),
      onChange: (change) => seen.push(change),
      onError: fail,
    });
    text = settingsOf(after);
    await watcher.check();
    expect(seen).toHaveLength(1);
    expect(checksumOf(before) !== checksumOf(after)).toBe(seen[0]!.needRestart.length > 0);
  });
});

describe('rules for Prometheus', () => {
  type Rule = Readonly<Record<string, unknown>>;
  const rule = (set: readonly string[]): readonly { readonly rules: readonly Rule[] }[] => {
    const { spec } = one(render({ set: ['metrics.prometheusRule.enabled=true', 'crds.install=false', ...set] }), 'PrometheusRule');
    return spec.groups as readonly { readonly rules: readonly Rule[] }[];
  };
  const alerts = (set: readonly string[]): readonly Rule[] => rule(set).flatMap(({ rules }) => rules.filter((each) => 'alert' in each));

  it('look at this release only', () => {
    const texts = rule([]).flatMap(({ rules }) => rules.map(({ expr }) => String(expr)));
    expect(texts.filter((text) => text.includes('job="prow-operator",namespace="ci"')).length).toBeGreaterThan(0);
    expect(texts.filter((text) => text.includes('job="prow-operator"') && !text.includes('namespace="ci"'))).toEqual([]);
    const ours = rule(['fullnameOverride=other']).flatMap(({ rules }) => rules.map(({ expr }) => String(expr)));
    expect(ours).toEqual(texts);
  });

  it('are complete by default: severity, duration or none, summary and runbook', () => {
    expect(alerts([]).length).toBeGreaterThan(5);
    for (const alert of alerts([])) {
      expect(alert, String(alert.alert)).toMatchObject({
        labels: { severity: expect.stringMatching(/^(critical|warning|info)$/) },
        annotations: { summary: expect.any(String), runbook_url: expect.stringContaining(`${String(alert.alert)}.md`) },
      });
    }
  });

  it('can be left out, changed and labelled one by one', () => {
    const changed = alerts([
      'metrics.prometheusRule.disabled={ProwLeaderFlapping}',
      'metrics.prometheusRule.alerts.ProwNoLeader.for=9m',
      'metrics.prometheusRule.alerts.ProwNoLeader.severity=page',
      'metrics.prometheusRule.alertLabels.team=build',
      'metrics.prometheusRule.runbookBaseUrl=https://example.com/r/',
    ]);
    expect(changed.length).toBe(alerts([]).length - 1);
    expect(changed.find(({ alert }) => alert === 'ProwNoLeader')).toMatchObject({
      for: '9m',
      labels: { severity: 'page', team: 'build' },
      annotations: { runbook_url: 'https://example.com/r/ProwNoLeader.md' },
    });
    for (const { labels } of changed) expect(labels).toMatchObject({ team: 'build' });
  });
});
