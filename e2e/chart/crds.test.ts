/** The kinds, as the two charts install them: nothing lost on the way through Helm, and small enough for every way to apply them. */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { chartDir, crdChartDir, render, type Manifest } from './chart.ts';

const generated = path.join(import.meta.dirname, '../../crds/generated');
const sources = readdirSync(generated).map((file) => readFileSync(path.join(generated, file), 'utf8'));
const expected = sources.map((text) => parse(text, { version: '1.1' }) as Manifest);
const crdsOf = (manifests: readonly Manifest[]): readonly Manifest[] => manifests.filter(({ kind }) => kind === 'CustomResourceDefinition');
const byName = (left: Manifest, right: Manifest): number => (left.metadata.name < right.metadata.name ? -1 : 1);

describe('the CRDs', () => {
  it.each([
    ['prow-operator', chartDir],
    ['prow-operator-crds', crdChartDir],
  ])('of the chart %s are the generated ones, but for metadata', (_name, chart) => {
    const installed = crdsOf(render({ chart }));
    const spec = (manifests: readonly Manifest[]): readonly unknown[] =>
      manifests.toSorted(byName).map(({ metadata, spec }): unknown => [metadata.name, spec]);
    expect(spec(installed)).toEqual(spec(expected));
    for (const { metadata } of installed) {
      const source = expected.find((each) => each.metadata.name === metadata.name);
      expect(metadata.annotations).toMatchObject(source?.metadata.annotations ?? {});
    }
  });

  it('stay when the release goes, unless somebody says otherwise', () => {
    const policy = (set: readonly string[]): readonly unknown[] =>
      crdsOf(render({ set })).map(({ metadata }) => metadata.annotations?.['helm.sh/resource-policy']);
    expect(policy([])).toEqual(expected.map(() => 'keep'));
    expect(policy(['crds.keep=false'])).toEqual(expected.map(() => undefined));
  });

  it('can be left to somebody else', () => {
    expect(crdsOf(render({ set: ['crds.install=false'] }))).toEqual([]);
  });

  it('come before everything else in Argo CD', () => {
    for (const { metadata } of crdsOf(render())) expect(metadata.annotations).toMatchObject({ 'argocd.argoproj.io/sync-wave': '-1' });
  });

  it('fit the annotation of kubectl apply one by one, and a release of Helm together', () => {
    for (const text of sources) expect(Buffer.byteLength(text)).toBeLessThan(256 * 1024);
    expect(sources.reduce((sum, text) => sum + Buffer.byteLength(text), 0)).toBeLessThan(150_000);
  });
});
