/**
 * The versions of the cluster's programs. They are written once, in build/go.mod; this reads them from there, and says which programs
 * are made of which package.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ClusterError } from './errors.ts';
import { buildDir } from './paths.ts';

export interface Versions {
  /** With the leading v, as in go.mod. */
  readonly kubernetes: string;
  readonly etcd: string;
}

export interface Program {
  readonly name: string;
  readonly package: string;
}

export const programs: readonly Program[] = [
  { name: 'etcd', package: 'go.etcd.io/etcd/server/v3' },
  { name: 'kube-apiserver', package: 'k8s.io/kubernetes/cmd/kube-apiserver' },
  { name: 'kube-controller-manager', package: 'k8s.io/kubernetes/cmd/kube-controller-manager' },
  { name: 'kube-scheduler', package: 'k8s.io/kubernetes/cmd/kube-scheduler' },
  { name: 'kubelet', package: 'k8s.io/kubernetes/cmd/kubelet' },
  { name: 'kube-proxy', package: 'k8s.io/kubernetes/cmd/kube-proxy' },
];

/** Reads the two versions out of the text of a go.mod. Throws when one is not required there. */
export function versionsOf(goMod: string): Versions {
  const required = (module: string): string => {
    for (const line of goMod.split('\n')) {
      const [name, version] = line
        .replace(/^require\s+/, '')
        .trim()
        .split(/\s+/);
      if (name === module && version !== undefined) return version;
    }
    throw new ClusterError(`build/go.mod does not require ${module}: add it with the version to test on`);
  };
  return { kubernetes: required('k8s.io/kubernetes'), etcd: required('go.etcd.io/etcd/server/v3') };
}

/** What `kubectl version` and `/version` will say; without it a program built from a module says v0.0.0. */
export function linkerFlags(kubernetes: string): string {
  const [major = '', minor = ''] = kubernetes.replace(/^v/, '').split('.');
  const stamps = { gitVersion: kubernetes, gitMajor: major, gitMinor: minor };
  const set = Object.entries(stamps).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`);
  return ['-s', '-w', ...set].join(' ');
}

/** The name of the cache entry: another go.mod, go.sum, Go release or processor is another set of programs. */
export function cacheKey(goMod: string, goSum: string, goVersion: string): string {
  return createHash('sha256')
    .update(JSON.stringify([goMod, goSum, goVersion]))
    .digest('hex')
    .slice(0, 16);
}

/** The module's files as they are now. */
export function readModule(): { readonly goMod: string; readonly goSum: string } {
  const read = (name: string): string => readFileSync(path.join(buildDir, name), 'utf8');
  return { goMod: read('go.mod'), goSum: read('go.sum') };
}
