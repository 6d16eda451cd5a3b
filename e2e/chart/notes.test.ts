/** What helm prints after an installation: it must name what is risky, and only that. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { kubernetesTool } from '../../tools/helm.ts';
import { chartDir } from './chart.ts';

describe('the notes', () => {
  const home = mkdtempSync(path.join(tmpdir(), 'helm-home-'));
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  const notes = (...set: readonly string[]): string => {
    const args = ['install', 'mine', chartDir, '--namespace', 'prow', '--dry-run=client', ...set.flatMap((value) => ['--set', value])];
    const env = { PATH: process.env.PATH ?? '', HOME: home, KUBECONFIG: path.join(home, 'none') };
    const text = execFileSync(kubernetesTool('helm'), args, { encoding: 'utf8', env, maxBuffer: 64 << 20 });
    return text.slice(text.indexOf('NOTES:'));
  };

  it('say what to do next', () => {
    const text = notes();
    expect(text).toContain('rollout status deployment/mine-prow-operator');
    expect(text).toContain('helm test mine --namespace prow');
    expect(text).toContain('looks after all namespaces');
    expect(text).toContain('kind: Periodic');
  });

  it.each([
    ['crds.keep=false', 'WARNING: crds.keep is false'],
    ['crds.install=false', 'The CRDs of prow.k8s.io are not part of this release'],
    ['replicaCount=1', 'NOTE: With one replica'],
    ['replicaCount=0', 'WARNING: replicaCount is 0'],
    ['admissionPolicy.failurePolicy=Ignore', 'WARNING: admissionPolicy.failurePolicy is Ignore'],
    ['admissionPolicy.enabled=false', 'NOTE: admissionPolicy.enabled is false'],
  ])('warn of %s', (set, warning) => {
    expect(notes(set)).toContain(warning);
    expect(notes('admissionPolicy.enabled=true')).not.toContain(warning);
  });

  it('speak of the namespace that is served', () => {
    const text = notes('watchNamespace=team');
    expect(text).toContain('looks after the namespace team');
    expect(text).toContain('kubectl --namespace team get periodics,prowjobs');
    expect(text).not.toContain('all namespaces');
  });
});
