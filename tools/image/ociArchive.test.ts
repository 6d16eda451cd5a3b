import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { imageArchive, layerOf } from './ociArchive.ts';
import type { ImageSettings } from './ociArchive.ts';
import type { TarEntry } from './tar.ts';

const settings: ImageSettings = { names: ['localhost/x:1', 'localhost/x:latest'], architecture: 'amd64', entrypoint: ['/a'], user: '1:1' };
const files: readonly TarEntry[] = [{ path: 'a', type: 'file', data: Buffer.from('hello'), mode: 0o755 }];
const sha256 = (data: Buffer): string => `sha256:${createHash('sha256').update(data).digest('hex')}`;

/** A file out of an archive, by the real tar. */
const fileIn = (archive: Buffer, name: string): Buffer =>
  execFileSync('tar', ['--extract', '--to-stdout', '--file=-', name], { input: archive });
interface Descriptor {
  readonly digest: string;
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
}
interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}
const indexIn = (archive: Buffer) => JSON.parse(fileIn(archive, 'index.json').toString()) as { readonly manifests: readonly Descriptor[] };
const blobIn = (archive: Buffer, digest: string): Buffer => fileIn(archive, `blobs/${digest.replace(':', '/')}`);

test('every blob is what its digest says, from the index down to the layer', async () => {
  const layer = await layerOf(files);
  const { archive, digest } = imageArchive(settings, [layer]);
  const index = indexIn(archive);
  expect(index.manifests.map((each) => each.annotations['io.containerd.image.name'])).toEqual(settings.names);
  expect(index.manifests[0]?.digest).toBe(digest);
  const manifest = blobIn(archive, digest);
  expect(sha256(manifest)).toBe(digest);
  const { config, layers } = JSON.parse(manifest.toString()) as Manifest;
  const configBlob = blobIn(archive, config.digest);
  expect(sha256(configBlob)).toBe(config.digest);
  const layerBlob = blobIn(archive, layers[0]!.digest);
  expect([sha256(layerBlob), layerBlob.length]).toEqual([layers[0]!.digest, layers[0]!.size]);
  expect(sha256(gunzipSync(layerBlob))).toBe(JSON.parse(configBlob.toString()).rootfs.diff_ids[0]);
  expect(JSON.parse(configBlob.toString()).config).toEqual({ User: '1:1', Env: [], Entrypoint: ['/a'] });
});

test('the same input gives the same bytes; another file gives another digest', async () => {
  const build = async (entries: readonly TarEntry[]) => imageArchive(settings, [await layerOf(entries)]);
  const [one, two] = [await build(files), await build(files)];
  expect(one.archive.equals(two.archive)).toBe(true);
  const other = await build([...files, { path: 'b', type: 'directory' }]);
  expect(other.digest).not.toBe(one.digest);
});

test('a layer that was compressed before is not compressed again', async () => {
  const kept = new Map<string, Buffer>();
  const cache = {
    get: (diffId: string) => Promise.resolve(kept.get(diffId)),
    set: (diffId: string, data: Buffer) => Promise.resolve(void kept.set(diffId, data)),
  };
  const first = await layerOf(files, cache);
  expect([...kept.keys()]).toEqual([first.diffId]);
  const marked = Buffer.from('from the cache');
  kept.set(first.diffId, marked);
  expect((await layerOf(files, cache)).compressed).toBe(marked);
});
