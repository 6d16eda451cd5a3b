/**
 * The operator as one file of JavaScript with its source map, by esbuild. The bundle lies as deep in the image as in a checkout
 * (dist/operator/ below the root), so that paths relative to it lead to the same files in both.
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

/** Makes the bundle, its source map and the licences of what is in it. Writes nothing. */
export async function bundle(): Promise<readonly BundleFile[]> {
  const result = await build({
    absWorkingDir: root,
    entryPoints: ['operator/main.ts'],
    outfile: bundlePath,
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
    plugins: [followCreateRequire],
  }).catch((error: unknown) => {
    // esbuild's message names each file and line.
    throw new BundleError((error as Error).message);
  });
  const [warning] = result.warnings;
  if (warning !== undefined) throw new BundleError(`${warning.location?.file ?? 'esbuild'}: ${warning.text}`);
  return result.outputFiles.map(({ path: file, contents }) => ({ path: path.relative(root, file), data: Buffer.from(contents) }));
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
