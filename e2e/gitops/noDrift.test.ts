/**
 * Nothing drifts: what a Git tool applied, the operator has worked with and the API gives back is still what is in Git. By server-side apply (Flux,
 * Argo CD's ServerSideApply) and by client-side apply (kubectl, Argo CD's default), for every kind and the whole example matrix.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import { periodics, prowJobs } from '../../crds/resources.ts';
import { pods } from '../../operator/kube/builtin.ts';
import { mergePatch } from '../../operator/kube/patch.ts';
import { renderChart } from '../../tools/helm.ts';
import { kstatus, type Judged } from './kstatus.ts';
import { GitCluster, targetName, typeOf, type Manifest } from './gitCluster.ts';

const here = import.meta.dirname;
const jobs = readFileSync(path.join(here, 'testdata/jobs.yaml'), 'utf8');
const matrix = renderChart({ chart: path.join(here, '../../examples/eks-matrix'), namespace: 'ignored' });

const manifests = [jobs, matrix].flatMap((text) => parseAllDocuments(text).map((document) => document.toJS() as Manifest));
const ours = manifests.filter(({ apiVersion }) => apiVersion === 'prow.k8s.io/v1');

/** The field managers of an object besides the one that applied it, with what they own at the top level. */
function otherOwners(object: Manifest, applier: string): readonly { readonly manager: string; readonly owns: readonly string[] }[] {
  const entries = (object.metadata.managedFields ?? []) as readonly { readonly manager: string; readonly fieldsV1?: object }[];
  return entries
    .filter(({ manager }) => manager !== applier)
    .map(({ manager, fieldsV1 }) => ({ manager, owns: Object.keys(fieldsV1 ?? {}) }));
}

/** What of an object a tool compares: the server's bookkeeping and status are not Git's. */
function compared({ metadata, status: _status, ...rest }: Manifest): object {
  const { managedFields: _managed, ...kept } = metadata;
  return { ...rest, metadata: kept };
}

interface Way {
  readonly way: string;
  readonly applier: string;
  readonly apply: (cluster: GitCluster) => Promise<void>;
  /** What the tool would change; empty when nothing. */
  readonly diff: (cluster: GitCluster) => Promise<string>;
}

const ways: readonly Way[] = [
  {
    way: 'server-side apply',
    applier: 'git-tool',
    apply: async (cluster) => {
      for (const object of withNamespace(cluster)) await cluster.apply(typeOf(object), object);
    },
    diff: async (cluster) => {
      const differing: string[] = [];
      for (const object of withNamespace(cluster)) {
        const [live, wanted] = [await cluster.read(object), await cluster.apply(typeOf(object), object, { dryRun: true })];
        if (!isDeepStrictEqual(compared(wanted), compared(live)))
          differing.push(`live:\n${stringify(live)}\nwanted:\n${stringify(wanted)}`);
      }
      return differing.join('\n');
    },
  },
  {
    way: 'client-side apply',
    applier: 'kubectl-client-side-apply',
    apply: async (cluster) => {
      const { code, output } = await cluster.kubectl(['apply', '-f', '-'], asText(cluster));
      if (code !== 0) throw new Error(output);
    },
    diff: async (cluster) => {
      const { code, output } = await cluster.kubectl(['diff', '-f', '-'], asText(cluster));
      if (code > 1) throw new Error(output);
      return output;
    },
  },
];

const withNamespace = ({ namespace }: GitCluster): readonly Manifest[] =>
  manifests.map((object) => ({ ...object, metadata: { ...object.metadata, namespace } }));

const asText = (cluster: GitCluster): string =>
  withNamespace(cluster)
    .map((object) => stringify(object))
    .join('---\n');

describe.each(ways)(`on ${targetName()}, by $way`, { timeout: 60_000 }, ({ applier, apply, diff }) => {
  let cluster: GitCluster;

  beforeAll(async () => {
    cluster = await GitCluster.open();
    cluster.startOperator();
    await apply(cluster);
    await reconciled();
  }, 120_000);

  afterAll(() => cluster.close());

  const versions = (): Promise<readonly (string | undefined)[]> =>
    Promise.all(manifests.map(async (object) => (await cluster.read(object)).metadata.resourceVersion));

  /** The diff while nothing is written: a tool reads an object more than once, and a status that changes between two reads looks like drift. */
  async function calmDiff(): Promise<string> {
    for (;;) {
      const before = await versions();
      const seen = await diff(cluster);
      if (isDeepStrictEqual(await versions(), before)) return seen;
    }
  }

  /** Every object has been looked at, every schedule that starts at once has had a run, all runs have ended, and their schedules know it. */
  async function reconciled(): Promise<void> {
    for (const object of ours) {
      const { name } = object.metadata;
      await cluster.until(`${name} is reconciled`, async () => {
        const { metadata, status } = await cluster.read(object);
        return status?.observedGeneration === metadata.generation;
      });
    }
    await cluster.until('all runs have ended', async () => {
      await cluster.endPods();
      const { items } = await cluster.client.list(prowJobs, { namespace: cluster.namespace });
      return items.length > 1 && items.every(({ status }) => status?.completionTime !== undefined);
    });
    await cluster.until('no schedule counts a run as active', async () => {
      const { items } = await cluster.client.list(periodics, { namespace: cluster.namespace });
      return items.every(({ status }) => (status?.active ?? []).length === 0);
    });
  }

  it('the diff is empty', async () => {
    expect(await calmDiff()).toBe('');
  });

  it('Flux and kubectl wait find settled what is settled', async () => {
    const results = await Promise.all(
      ours.map(async (object) => [object.metadata.name, kstatus((await cluster.read(object)) as Judged)] as const),
    );
    const rest = results.filter(([, result]) => result !== 'Current');
    expect(rest).toEqual([
      ['broken', 'Failed'],
      ['gpu', 'Failed'],
    ]);
    const waitFor = (names: readonly string[], timeout: string) =>
      cluster.kubectl(['wait', '--for=condition=Ready', `--timeout=${timeout}`, ...names], '');
    const met = await waitFor(['periodic/nightly', 'periodic/asleep', 'prowjob/once', 'pluginconfig/acme'], '10s');
    expect(met.output.match(/condition met/g)).toHaveLength(4);
    expect((await waitFor(['periodic/broken'], '1s')).output).toContain('timed out');
  });

  it('a change that somebody made shows, and applying takes it back', async () => {
    const key = { namespace: cluster.namespace, name: 'nightly' };
    await cluster.client.patch(periodics, key, mergePatch({ spec: { suspend: true } }));
    expect(await diff(cluster)).toMatch(/suspend: true/);
    await apply(cluster);
    expect((await cluster.client.get(periodics, key)).spec.suspend).toBe(false);
    await reconciled();
    expect(await calmDiff()).toBe('');
  });

  it('a start by hand and its run make no difference', async () => {
    const key = { namespace: cluster.namespace, name: 'nightly' };
    await cluster.client.patch(periodics, key, mergePatch({ metadata: { annotations: { 'prow.k8s.io/run-now': 'argocd-1' } } }));
    await cluster.until('the token is used', async () => (await cluster.client.get(periodics, key)).status?.lastRunNowToken === 'argocd-1');
    await reconciled();
    expect(await calmDiff()).toBe('');
  });

  it('applying again writes nothing', async () => {
    const before = await versions();
    await apply(cluster);
    expect(await versions()).toEqual(before);
  });

  it('the operator owns status and nothing else', async () => {
    for (const object of ours.filter(({ metadata }) => metadata.name !== 'nightly')) {
      const live = await cluster.read(object);
      expect(live.metadata.generation).toBe(1);
      expect(otherOwners(live, applier)).toEqual([{ manager: 'prow-operator', owns: ['f:status'] }]);
    }
  });

  it('runs and pods belong to the Periodic, and carry nothing by which a Git tool would take them for its own', async () => {
    const nightly = await cluster.client.get(periodics, { namespace: cluster.namespace, name: 'nightly' });
    const { items } = await cluster.client.list(prowJobs, { namespace: cluster.namespace });
    const runs = items.filter(({ metadata }) => metadata.name.startsWith('nightly-'));
    expect(items.filter(({ metadata }) => metadata.name.startsWith('again-'))).toHaveLength(1);
    const theirPods = (await cluster.client.list(pods, { namespace: cluster.namespace })).items.filter(({ metadata }) =>
      metadata.name.startsWith('nightly-'),
    );
    expect([runs.length, theirPods.length]).toEqual([2, 2]);
    for (const { metadata } of runs) {
      expect(metadata.ownerReferences).toMatchObject([{ kind: 'Periodic', uid: nightly.metadata.uid, controller: true }]);
      expect(metadata.labels).toMatchObject({ team: 'a' });
    }
    for (const { metadata } of [...runs, ...theirPods]) {
      const carried = Object.keys({ ...metadata.labels, ...metadata.annotations });
      expect(carried.filter((key) => /argocd|argoproj|fluxcd|app\.kubernetes\.io\/instance|last-applied/.test(key))).toEqual([]);
    }
  });
});
