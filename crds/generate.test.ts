import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { customResourceDefinitions, plainSchema } from './definitions.ts';
import { generatedFiles, staleFiles } from './generate.ts';
import { isArray, isJsonObject, ownField, type JsonObject } from './json.ts';
import { StructuralSchema } from './structural.ts';

const crds = customResourceDefinitions();
const schemaOf = (kind: string): JsonObject =>
  crds.find((crd) => crd.spec.names.kind === kind)?.spec.versions[0]?.schema.openAPIV3Schema ?? {};

function field(schema: JsonObject, path: string): unknown {
  return path.split('.').reduce<unknown>((at, name) => {
    const object = isJsonObject(at) ? at : {};
    const own: JsonObject = isJsonObject(object.items) ? object.items : object;
    return isJsonObject(own.properties) ? ownField(own.properties, name) : undefined;
  }, schema);
}

describe('the generated files', () => {
  it('are current: run `npm run generate` if not', async () => {
    expect(await staleFiles()).toEqual([]);
  });

  it('stay below 150 kB together', () => {
    const bytes = [...generatedFiles()]
      .filter(([path]) => path.endsWith('.yaml'))
      .reduce((sum, [, text]) => sum + Buffer.byteLength(text), 0);
    expect(bytes).toBeGreaterThan(50_000);
    expect(bytes).toBeLessThan(150_000);
  });

  it.each([...generatedFiles()].filter(([path]) => path.endsWith('.yaml')))(
    '%s reads the same in YAML 1.1, which kubectl follows',
    (_path, text) => {
      expect(parse(text, { version: '1.1' })).toEqual(parse(text, { version: '1.2' }));
    },
  );

  it('describe every field below spec and status', () => {
    const bare: string[] = [];
    // A run's spec is explained once, where it stands alone.
    const isExplainedElsewhere = (path: string): boolean => /^Periodic\.spec\.jobTemplate\.spec\.\w+[.[]/.test(path);
    const walk = (schema: unknown, path: string): void => {
      if (!isJsonObject(schema)) return;
      if (
        path.split('.').length > 1 &&
        !path.endsWith('.metadata') &&
        typeof schema.description !== 'string' &&
        !isExplainedElsewhere(path)
      )
        bare.push(path);
      for (const [name, below] of Object.entries(isJsonObject(schema.properties) ? schema.properties : {})) walk(below, `${path}.${name}`);
      walk(schema.items, `${path}[]`);
      walk(schema.additionalProperties, `${path}.*`);
    };
    for (const crd of crds) walk(schemaOf(crd.spec.names.kind), crd.spec.names.kind);
    expect(bare).toEqual([]);
  });

  it('hold no reference, alias or mark of the schema library', () => {
    for (const [path, text] of generatedFiles()) if (path.endsWith('.yaml')) expect(text).not.toMatch(/\$ref|"~|^\s+~|: [&*]\w/m);
  });
});

describe('the CustomResourceDefinitions', () => {
  it.each(crds.map((crd) => [crd.metadata.name, crd] as const))('%s is named, approved and versioned as Kubernetes asks', (name, crd) => {
    expect(name).toBe(`${crd.spec.names.plural}.prow.k8s.io`);
    expect(crd.metadata.annotations['api-approved.kubernetes.io']).toMatch(/^unapproved, /);
    expect(crd.spec.names.categories).toEqual(['prow']);
    expect(crd.spec.versions.map((version) => [version.name, version.served, version.storage, version.subresources])).toEqual([
      ['v1', true, true, { status: {} }],
    ]);
    for (const path of ['status.conditions', 'status.observedGeneration']) expect(field(schemaOf(crd.spec.names.kind), path)).toBeDefined();
  });

  it('have short names that no kind of Kubernetes has', () => {
    const taken = 'cm cs csr cj crd deploy ds ep ev hpa ing limits netpol no ns pc pdb po pv pvc quota rc rs sa sc sts svc'.split(' ');
    const names = crds.flatMap((crd) => crd.spec.names.shortNames);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => taken.includes(name))).toEqual([]);
  });

  it("print upstream's columns of a ProwJob, in their order", () => {
    const columns = crds[0]?.spec.versions[0]?.additionalPrinterColumns ?? [];
    expect(columns.filter((column) => (column.priority ?? 0) === 0).map(({ name, jsonPath, type }) => [name, jsonPath, type])).toEqual([
      ['Job', '.spec.job', 'string'],
      ['BuildId', '.status.build_id', 'string'],
      ['Type', '.spec.type', 'string'],
      ['Org', '.spec.refs.org', 'string'],
      ['Repo', '.spec.refs.repo', 'string'],
      ['Pulls', '.spec.refs.pulls[*].number', 'string'],
      ['StartTime', '.status.startTime', 'date'],
      ['CompletionTime', '.status.completionTime', 'date'],
      ['State', '.status.state', 'string'],
    ]);
  });

  it('print only fields that exist', () => {
    for (const crd of crds) {
      for (const column of crd.spec.versions[0]?.additionalPrinterColumns ?? []) {
        const path = column.jsonPath.slice(1).replace(/\[[^\]]*\]/g, '');
        if (path.startsWith('metadata.')) continue;
        expect([column.jsonPath, field(schemaOf(crd.spec.names.kind), path) !== undefined]).toEqual([column.jsonPath, true]);
      }
    }
  });

  it('give a Periodic the spec of a ProwJob, without what a template cannot mean', () => {
    const names = (schema: unknown): readonly string[] =>
      Object.keys(isJsonObject(schema) && isJsonObject(schema.properties) ? schema.properties : {}).sort();
    const run = names(field(schemaOf('ProwJob'), 'spec'));
    expect(names(field(schemaOf('Periodic'), 'spec.jobTemplate.spec'))).toEqual(run.filter((name) => name !== 'abort'));
  });

  it('bound every list and text that a rule walks', () => {
    const exclusions = field(schemaOf('Periodic'), 'spec.exclusions') as JsonObject;
    expect(exclusions.maxItems).toBeTypeOf('number');
  });

  it('take an object of upstream unchanged', () => {
    const upstream = {
      apiVersion: 'prow.k8s.io/v1',
      kind: 'ProwJob',
      metadata: { name: '6f1c7a52-0d0c-4a5e-9a51-5a0f0b6a7c11', namespace: 'default', labels: { 'created-by-prow': 'true' } },
      spec: {
        type: 'presubmit',
        agent: 'kubernetes',
        cluster: 'default',
        namespace: 'test-pods',
        job: 'unit',
        context: 'unit',
        report: true,
        rerun_command: '/test unit',
        max_concurrency: 4,
        refs: { org: 'acme', repo: 'widget', base_ref: 'main', base_sha: 'a', pulls: [{ number: 42, author: 'ann', sha: 'b' }] },
        decoration_config: {
          timeout: '2h0m0s',
          grace_period: '15s',
          utility_images: { clonerefs: 'a', initupload: 'b', entrypoint: 'c', sidecar: 'd' },
          gcs_configuration: { bucket: 'b', path_strategy: 'explicit', mediaTypes: { log: 'text/plain' } },
          resources: { sidecar: { requests: { cpu: '100m', memory: 1024 } } },
        },
        pod_spec: { containers: [{ image: 'registry.example/toolbox:1', command: ['make', 'test'] }] },
        prowjob_defaults: { tenant_id: 'GlobalDefaultID' },
      },
      status: {
        startTime: '2026-01-01T10:00:00Z',
        pendingTime: '2026-01-01T10:00:02Z',
        completionTime: '2026-01-01T10:07:00Z',
        state: 'success',
        description: 'done',
        url: 'https://deck.example/view',
        pod_name: '6f1c7a52-0d0c-4a5e-9a51-5a0f0b6a7c11',
        build_id: '1990000000000000001',
        prev_report_states: { 'github-reporter': 'success' },
      },
    };
    const schema = new StructuralSchema(schemaOf('ProwJob'));
    expect(schema.prune(upstream)).toEqual({ object: upstream, pruned: [] });
    expect(schema.validate(upstream)).toEqual([]);
  });
});

describe('plainSchema', () => {
  it('drops what begins with a tilde, at any depth', () => {
    expect(plainSchema({ '~kind': 'x', a: [{ '~b': 1, c: 2 }] })).toEqual({ a: [{ c: 2 }] });
    expect(isArray(plainSchema([]))).toBe(true);
  });
});
