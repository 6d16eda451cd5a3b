/**
 * Builds the operator's image: `node tools/image.ts [--output FILE] [--name IMAGE]…` writes an OCI archive and needs no container tool;
 * `--rootfs DIR` writes the files of the image as they are, for the Dockerfile; `--bundle` only writes dist/operator/. The same commit and
 * the same Node give the same digest.
 */
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { version } from '../operator/version.ts';
import { BundleError, bundle, bundlePath, root } from './image/bundle.ts';
import { ContentsError, applicationFiles, runtimeFiles, settingsOf } from './image/contents.ts';
import { imageArchive, layerOf } from './image/ociArchive.ts';
import type { LayerCache } from './image/ociArchive.ts';
import { TarError } from './image/tar.ts';

/** What the image is called when nobody says otherwise. */
export const defaultImageName = `localhost/prow-operator:${version}`;
const defaultOutput = path.join(root, 'dist', 'prow-operator-image.tar');
const cacheDir = path.join(root, 'node_modules', '.cache', 'image');

const layerFile = (diffId: string): string => path.join(cacheDir, `${diffId.replace('sha256:', '')}.tar.gz`);

/** Compressed layers by the digest of what they hold. An entry appears whole or not at all. */
const cache: LayerCache = {
  get: (diffId) => readFile(layerFile(diffId)).catch(() => undefined),
  set: async (diffId, compressed) => {
    await mkdir(cacheDir, { recursive: true });
    const partial = `${layerFile(diffId)}.${process.pid}`;
    await writeFile(partial, compressed);
    await rename(partial, layerFile(diffId));
  },
};

export interface BuiltImage {
  readonly file: string;
  readonly names: readonly string[];
  readonly digest: string;
  readonly compressedBytes: number;
}

/** Writes the archive. */
export async function buildImage(file: string = defaultOutput, names: readonly string[] = [defaultImageName]): Promise<BuiltImage> {
  const layers = [await layerOf(await runtimeFiles(), cache), await layerOf(await applicationFiles())];
  const { archive, digest, compressedBytes } = imageArchive(settingsOf(names, version), layers);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, archive);
  return { file, names, digest, compressedBytes };
}

/** Writes the files of the image below a directory, for a container build to copy. */
async function writeRootfs(dir: string): Promise<void> {
  for (const entry of [...(await runtimeFiles()), ...(await applicationFiles())]) {
    const target = path.join(dir, entry.path);
    await mkdir(entry.type === 'directory' ? target : path.dirname(target), { recursive: true });
    if (entry.type === 'file') await writeFile(target, entry.data);
    if (entry.type !== 'symlink' && entry.mode !== undefined) await chmod(target, entry.mode);
  }
}

async function writeBundle(): Promise<void> {
  // Parts of an earlier one have other names.
  await rm(path.join(root, path.dirname(bundlePath)), { recursive: true, force: true });
  for (const { path: file, data } of await bundle()) {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), data);
  }
}

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      output: { type: 'string' },
      name: { type: 'string', multiple: true },
      rootfs: { type: 'string' },
      bundle: { type: 'boolean' },
    },
  });
  if (values.bundle === true) await writeBundle();
  else if (values.rootfs !== undefined) await writeRootfs(values.rootfs);
  else await writeImage(values.output, values.name);
}

async function writeImage(output: string | undefined, name: readonly string[] | undefined): Promise<void> {
  const { file, names, digest, compressedBytes } = await buildImage(output, name);
  process.stdout.write(
    `${names.join(', ')}\n${digest}\n${(compressedBytes / 1e6).toFixed(1)} MB compressed\n${path.relative(root, file)}\n`,
  );
}

const isForPerson = (error: unknown): error is Error =>
  error instanceof BundleError || error instanceof ContentsError || error instanceof TarError;

if (import.meta.main) {
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    if (!isForPerson(error)) throw error;
    process.stderr.write(`image: ${error.message}\n`);
    process.exitCode = 1;
  }
}
