import { expect, test } from 'vitest';
import { leftOut, namesUsed, toAscii } from './bundle.ts';

test('the names of the client library that compiled code mentions, each once', () => {
  const source =
    'new k8s.KubeConfig(); (0, client_node_1.loadYaml)(x); new client_node_12.Watch(k8s.KubeConfig); "apps.k8s.io/v1"; "k8s.io.V1"';
  expect(namesUsed(source)).toEqual(['KubeConfig', 'Watch', 'loadYaml']);
  expect(namesUsed('nothing')).toEqual([]);
});

test('classes that are left out can be made, and say so when they are used', async () => {
  const code = leftOut('import x from "./x.js";\nexport class ObjectCoreV1Api {\n  api;\n}\nexport function loadYaml(data) {\n}\n');
  const { ObjectCoreV1Api, loadYaml } = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as {
    readonly ObjectCoreV1Api: new () => { readonly listNode: () => void };
    readonly loadYaml: () => void;
  };
  const made = new ObjectCoreV1Api();
  expect(() => made.listNode()).toThrow('ObjectCoreV1Api.listNode is left out');
  expect(made).toBeInstanceOf(ObjectCoreV1Api);
  expect(loadYaml).toThrow('loadYaml is left out');
  expect(() => leftOut('const x = 1;')).toThrow('adapt tools/image/bundle.ts');
});

test.each([
  ['a pattern', '/^(us|µs|μs)$/', '/^(us|\\u00b5s|\\u03bcs)$/'],
  ['a character of two units', '/^😀$/u', '/^\\ud83d\\ude00$/u'],
  ['plain code', 'a\\n`b`', 'a\\n`b`'],
])('%s is written in ASCII', (_what, code, ascii) => {
  expect(toAscii(code)).toBe(ascii);
});

test('the escapes match what the characters match', () => {
  expect(/^5\u00b5s 5\u03bcs \ud83d\ude00$/u.exec('5µs 5μs 😀')).not.toBeNull();
});
