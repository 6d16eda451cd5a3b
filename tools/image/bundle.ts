/**
 * The operator as JavaScript with source maps, by esbuild: an entry, and parts that are read when they are needed. They lie as deep in
 * the image as in a checkout (dist/operator/ below the root), so that paths relative to them lead to the same files in both.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';
import type { Plugin } from 'esbuild';

export const root = path.join(import.meta.dirname, '..', '..');
/** Relative to the root of the checkout, and to /app in the image. */
export const bundlePath = 'dist/operator/prow-operator.mjs';

/** What esbuild cannot follow. */
export class BundleError extends Error {
  readonly code = 'Bundle';
  override readonly name = 'BundleError';
}

export interface BundleFile {
  /** Relative to the root. */
  readonly path: string;
  readonly data: Buffer;
}

/** Makes the bundle, its source map and the licences of what is in it. Writes nothing. Both paths are relative to the root. */
export async function bundle(entry = 'operator/main.ts', out = bundlePath): Promise<readonly BundleFile[]> {
  const result = await build({
    absWorkingDir: root,
    entryPoints: [{ in: entry, out: path.basename(out, '.mjs') }],
    outdir: path.dirname(out),
    outExtension: { '.js': '.mjs' },
    // What is imported on demand stays on disk until then: the libraries of object stores are larger than the operator.
    splitting: true,
    chunkNames: 'part-[hash]',
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    minifySyntax: true,
    minifyWhitespace: true,
    sourcemap: 'linked',
    // The sources are in the repository; stack traces need the positions, not the text.
    sourcesContent: false,
    legalComments: 'linked',
    logLevel: 'silent',
    // Bundled CommonJS packages ask for Node's own modules through require.
    banner: {
      js: "import { createRequire as createRequireOfBundle } from 'node:module'; const require = createRequireOfBundle(import.meta.url);",
    },
    plugins: [followCreateRequire, leaveOutUnusedApis, mapOurCodeOnly],
    // Some packages ask for the one from npm under the name that Node's own, deprecated module has too.
    alias: { punycode: 'punycode/' },
  }).catch((error: unknown) => {
    // esbuild's message names each file and line.
    throw new BundleError((error as Error).message);
  });
  const [warning] = result.warnings;
  if (warning !== undefined) throw new BundleError(`${warning.location?.file ?? 'esbuild'}: ${warning.text}`);
  return result.outputFiles.map((file) => ({
    path: path.relative(root, file.path),
    data: Buffer.from(file.path.endsWith('.mjs') ? toAscii(file.text) : file.contents),
  }));
}

/** `createRequire(import.meta.url)('name')` is for esbuild a call like any other; as `require('name')` it brings the package along. */
const followCreateRequire: Plugin = {
  name: 'follow-create-require',
  setup: (pluginBuild) => {
    pluginBuild.onLoad({ filter: /\/operator\/runtime\/host\.ts$/ }, async ({ path: file }) => {
      const source = await readFile(file, 'utf8');
      const contents = source.replaceAll(/createRequire\(import\.meta\.url\)\((['"][^'"]+['"])\)/g, 'require($1)');
      if (contents === source)
        throw new BundleError(`${file} calls no createRequire(import.meta.url)('…') any more: adapt tools/image/bundle.ts`);
      return { contents, loader: 'ts' };
    });
  },
};

/**
 * Node keeps the whole map in memory. The files of packages get one that knows only their first character: a stack trace through a package
 * names the file, and the map is a sixth of the size.
 */
const mapOurCodeOnly: Plugin = {
  name: 'map-our-code-only',
  setup: (pluginBuild) => {
    pluginBuild.onLoad({ filter: /\/node_modules\/.*\.[cm]?js$/ }, async ({ path: file }) => {
      const map = JSON.stringify({ version: 3, sources: [path.basename(file)], names: [], mappings: 'AAAA' });
      const comment = `//# sourceMappingURL=data:application/json;base64,${Buffer.from(map).toString('base64')}`;
      return { contents: `${await readFile(file, 'utf8')}\n${comment}\n`, loader: 'js' };
    });
  },
};

/**
 * One character beyond ASCII makes V8 keep the whole text at two bytes each. esbuild escapes them everywhere but in patterns, where the same
 * escape means the same.
 */
export const toAscii = (code: string): string => code.replaceAll(/\P{ASCII}/gu, (character) => character.split('').map(escaped).join(''));

const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;

const clientNode = '@kubernetes/client-node';
/** Where the client library has its classes of API calls, and what makes objects of its classes for each kind out of texts. */
const unused: ReadonlySet<string> = new Set(['./types/ObjectParamAPI.js', './serializer.js', './yaml.js']);
/** The classes for each kind, which nobody names any more then. */
const models = './models/all.js';

/**
 * The host package requires the whole client library, which has thousands of classes for kinds that nobody here uses; code that is
 * required cannot be shaken off. So the package gets a module with the names that it mentions, and the rest is left out: a third of
 * the bundle, and of the memory for it. Of what is left, the classes of API calls and of kinds were two thirds: the host makes
 * one of the former in its constructor and calls nothing of it, and reads CRDs only where our host refuses to. They are here in name.
 */
const leaveOutUnusedApis: Plugin = {
  name: 'leave-out-unused-apis',
  setup: (pluginBuild) => {
    const namespace = 'used-apis';
    const inName = 'in-name';
    const nothing = 'nothing';
    pluginBuild.onResolve(
      { filter: /^(@kubernetes\/client-node$|\.)/ },
      async ({ path: wanted, importer, resolveDir, kind, pluginData, ...from }) => {
        const isEntry = wanted === clientNode;
        if (pluginData === namespace || (!isEntry && !importer.includes(`/node_modules/${clientNode}/`))) return undefined;
        if (isEntry && from.namespace === 'file' && importer.includes('/node_modules/@dot-i/k8s-operator/'))
          return { path: importer, namespace };
        const resolved = await pluginBuild.resolve(wanted, { importer, resolveDir, kind, pluginData: namespace });
        if (wanted === models) return { path: resolved.path, namespace: nothing, sideEffects: false };
        if (unused.has(wanted)) return { path: resolved.path, namespace: inName, sideEffects: false };
        // Its modules declare classes and constants, and do nothing else when they are loaded.
        return { path: resolved.path, sideEffects: false };
      },
    );
    pluginBuild.onLoad({ filter: /.*/, namespace }, async ({ path: file }) => {
      const names = namesUsed(await readFile(file, 'utf8'));
      if (names.length === 0) throw new BundleError(`${file} mentions nothing of ${clientNode} any more: adapt tools/image/bundle.ts`);
      return { contents: `export { ${names.join(', ')} } from '${clientNode}';`, resolveDir: root };
    });
    pluginBuild.onLoad({ filter: /.*/, namespace: nothing }, () => ({ contents: 'export {};' }));
    pluginBuild.onLoad({ filter: /.*/, namespace: inName }, async ({ path: file }) => ({
      contents: leftOut(await readFile(file, 'utf8')),
    }));
  },
};

/** A module with the same exports. Its classes can be made; whatever is called in them throws, and so do its functions. */
export function leftOut(source: string): string {
  const exported = [...source.matchAll(/^export (class|function) (\w+)/gm)];
  if (exported.length === 0) throw new BundleError(`a module of ${clientNode} exports nothing any more: adapt tools/image/bundle.ts`);
  const base = `const refuse = (what) => {
  throw new Error(what + ' is left out of the bundle: call the API server through the client of the kit');
};
class LeftOut {
  constructor() {
    const name = new.target.name;
    return new Proxy(this, {
      get: (target, member) => (typeof member === 'symbol' || member in target ? target[member] : refuse(name + '.' + member)),
    });
  }
}`;
  const declared = exported.map(([, kind, name = '']) =>
    kind === 'class' ? `export class ${name} extends LeftOut {}` : `export const ${name} = () => refuse('${name}');`,
  );
  return [base, ...declared].join('\n');
}

/** The exports of the client library that compiled CommonJS mentions, as TypeScript's compiler writes them. */
export function namesUsed(source: string): readonly string[] {
  const mentioned = source.matchAll(/\b(?:client_node_\d+|k8s)\.([A-Z]\w*|loadYaml)\b/g);
  return [...new Set([...mentioned].map(([, name = '']) => name))].sort();
}
