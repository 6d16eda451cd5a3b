/**
 * The scripts for Argo CD, run as Argo CD's own tests run theirs (health_test.yaml, action_test.yaml, testdata), on every state the operator
 * can give an object, and as the chart ships them.
 */
import { existsSync, globSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { validateManifests } from '../../../crds/validate.ts';
import { renderChart } from '../../../tools/helm.ts';
import { everyState } from '../states.ts';
import { newerThanLua51, restoreEmpty, runScript } from './lua.ts';

const root = path.join(import.meta.dirname, '../../../charts/prow-operator/files/argocd/prow.k8s.io');
const kinds = readdirSync(root).sort();
const read = (...parts: readonly string[]): string => readFileSync(path.join(root, ...parts), 'utf8');
const load = (...parts: readonly string[]): object => parse(read(...parts)) as object;

interface Health {
  readonly status: string;
  readonly message: string;
}
interface HealthTests {
  readonly tests: readonly { readonly healthStatus: Health; readonly inputPath: string }[];
}
interface OfferedAction {
  readonly name: string;
  readonly disabled?: boolean;
}
interface ActionTests {
  readonly discoveryTests: readonly { readonly inputPath: string; readonly result: readonly OfferedAction[] }[];
  readonly actionTests: readonly { readonly action: string; readonly inputPath: string; readonly expectedOutputPath: string }[];
}

it('there are scripts for every kind', () => {
  expect(kinds).toEqual(['BuildCluster', 'Periodic', 'PeriodicBackfill', 'PeriodicSet', 'PluginConfig', 'ProwJob']);
});

describe.each(kinds)('%s', (kind) => {
  const { tests } = load(kind, 'health_test.yaml') as HealthTests;

  it.each(tests)('$inputPath is $healthStatus.status', ({ inputPath, healthStatus }) => {
    expect(runScript(read(kind, 'health.lua'), load(kind, inputPath))).toEqual(healthStatus);
  });

  it('every object in testdata is used, and is what the schema asks for', () => {
    const files = readdirSync(path.join(root, kind, 'testdata'));
    expect(tests.map(({ inputPath }) => path.basename(inputPath)).sort()).toEqual(files.sort());
    const inputs = globSync(path.join(root, kind, '{.,actions}/testdata/*.yaml')).map((file) => ({
      file,
      text: readFileSync(file, 'utf8'),
    }));
    expect(validateManifests(inputs)).toMatchObject({ problems: [], checked: inputs.length });
  });
});

describe.each(kinds.filter((kind) => existsSync(path.join(root, kind, 'actions'))))('the actions of %s', (kind) => {
  const { discoveryTests, actionTests } = load(kind, 'actions/action_test.yaml') as ActionTests;
  const discover = (inputPath: string): Record<string, object> =>
    runScript(read(kind, 'actions/discovery.lua'), load(kind, 'actions', inputPath)) as Record<string, object>;

  it.each(discoveryTests)('offered for $inputPath', ({ inputPath, result }) => {
    const offered = Object.entries(discover(inputPath)).map(([name, action]) => ({ name, ...action }));
    expect(offered).toHaveLength(result.length);
    expect(offered).toEqual(expect.arrayContaining([...result]));
  });

  it.each(actionTests)('$action makes $expectedOutputPath of $inputPath', ({ action, inputPath, expectedOutputPath }) => {
    const input = load(kind, 'actions', inputPath);
    const output = restoreEmpty(runScript(read(kind, 'actions', action, 'action.lua'), input), input);
    expect(output).toEqual(load(kind, 'actions', expectedOutputPath));
  });

  it('are the ones that have a script and a test', () => {
    const scripts = globSync('*/action.lua', { cwd: path.join(root, kind, 'actions') }).map((file) => path.dirname(file));
    expect(Object.keys(discover(discoveryTests[0]?.inputPath ?? '')).sort()).toEqual(scripts.sort());
    expect([...new Set(actionTests.map(({ action }) => action))].sort()).toEqual(scripts.sort());
  });
});

it.each(await everyState())('$kind $name is $argo', ({ kind, object, argo }) => {
  const health = runScript(read(kind, 'health.lua'), object) as Health;
  expect(health.status).toBe(argo);
  expect(health.message).toMatch(/\S/);
});

it('a BuildCluster that is paused and ready is suspended', () => {
  const object = { metadata: { generation: 1 }, spec: { paused: true }, status: { observedGeneration: 1, conditions: [] } };
  expect(runScript(read('BuildCluster', 'health.lua'), object)).toMatchObject({ status: 'Suspended' });
});

describe('the chart', () => {
  const chart = path.join(root, '../../..');
  const snippets = (set: readonly string[]): readonly { readonly data: Readonly<Record<string, string>> }[] =>
    parseAllDocuments(renderChart({ chart, namespace: 'prow', set }))
      .map(
        (document) => document.toJS() as { readonly metadata: { readonly name: string }; readonly data: Readonly<Record<string, string>> },
      )
      .filter(({ metadata }) => metadata.name.endsWith('-argocd'));

  it('ships every script under the key of argocd-cm that Argo CD reads, when it is asked to', () => {
    const [snippet] = snippets(['argocd.healthChecks.enabled=true']);
    const keys = kinds.flatMap((kind) => [
      `resource.customizations.health.prow.k8s.io_${kind}`,
      ...(existsSync(path.join(root, kind, 'actions')) ? [`resource.customizations.actions.prow.k8s.io_${kind}`] : []),
    ]);
    expect(Object.keys(snippet?.data ?? {}).sort()).toEqual(keys.sort());
    for (const kind of kinds) expect(snippet?.data[`resource.customizations.health.prow.k8s.io_${kind}`]).toBe(read(kind, 'health.lua'));
    const actions = parse(snippet?.data['resource.customizations.actions.prow.k8s.io_Periodic'] ?? '') as {
      readonly 'discovery.lua': string;
      readonly definitions: readonly { readonly name: string; readonly 'action.lua': string }[];
    };
    expect(actions['discovery.lua']).toBe(read('Periodic', 'actions/discovery.lua'));
    expect(actions.definitions).toEqual(
      ['resume', 'run-now', 'suspend'].map((name) => ({ name, 'action.lua': read('Periodic', 'actions', name, 'action.lua') })),
    );
  });

  it('ships none by default', () => {
    expect(snippets([])).toEqual([]);
  });
});

describe('the interpreter', () => {
  it.each(['a = 7 // 2', 'goto done', 'a = 1 << 2', 'a = 5 & 3', 'a = ~5', '::done::'])(
    'refuses %s, which Lua 5.1 does not know',
    (script) => {
      expect(newerThanLua51(script)).toBeDefined();
    },
  );

  it.each(['return string.format("x")', 'return os.getenv("HOME")', 'return { table.unpack({}) }', 'return require("os")', 'return 1'])(
    'refuses %s, as Argo CD does',
    (script) => {
      expect(() => runScript(script, {})).toThrow();
    },
  );
});
