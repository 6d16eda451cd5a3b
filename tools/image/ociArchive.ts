/**
 * An OCI image layout as one tar file, made without any container tool. Depends on its input alone: the same layers and settings have the
 * same digest. `ctr images import`, `docker load`, `podman load`, `skopeo` and `kind load image-archive` read it.
 */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { tar } from './tar.ts';
import type { TarEntry } from './tar.ts';

const compress = promisify(gzip);

export interface ImageSettings {
  /** With registry and tag, as it will be called in a pod: `localhost/prow-operator:dev`. */
  readonly names: readonly string[];
  readonly architecture: 'amd64' | 'arm64';
  readonly entrypoint: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** `uid:gid`. */
  readonly user?: string;
  readonly workingDir?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface Layer {
  /** Of the uncompressed archive. */
  readonly diffId: string;
  readonly compressed: Buffer;
}

export interface ImageArchive {
  readonly archive: Buffer;
  /** Of the manifest: what a pod can pin. */
  readonly digest: string;
  /** What a registry would transfer. */
  readonly compressedBytes: number;
}

const digestOf = (data: Buffer | string): string => `sha256:${createHash('sha256').update(data).digest('hex')}`;
const epoch = '1970-01-01T00:00:00Z';

/** Packs files into a layer. `cached` may answer with the compressed form of an archive that it has seen before. */
export async function layerOf(entries: readonly TarEntry[], cache?: LayerCache): Promise<Layer> {
  const archive = tar(entries);
  const diffId = digestOf(archive);
  const known = await cache?.get(diffId);
  if (known !== undefined) return { diffId, compressed: known };
  const compressed = await compress(archive, { level: 9 });
  await cache?.set(diffId, compressed);
  return { diffId, compressed };
}

/** Compressing the runtime takes seconds, and it is the same each time. */
export interface LayerCache {
  readonly get: (diffId: string) => Promise<Buffer | undefined>;
  readonly set: (diffId: string, compressed: Buffer) => Promise<void>;
}

/** The whole image. */
export function imageArchive(settings: ImageSettings, layers: readonly Layer[]): ImageArchive {
  const blobs = new Map<string, Buffer>();
  const blob = (mediaType: string, data: Buffer) => {
    const digest = digestOf(data);
    blobs.set(digest, data);
    return { mediaType, digest, size: data.length };
  };
  const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
  const config = blob('application/vnd.oci.image.config.v1+json', json(configOf(settings, layers)));
  const layerDescriptors = layers.map(({ compressed }) => blob('application/vnd.oci.image.layer.v1.tar+gzip', compressed));
  const manifestType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = blob(manifestType, json({ schemaVersion: 2, mediaType: manifestType, config, layers: layerDescriptors }));
  const named = settings.names.map((name) => ({
    ...manifest,
    platform: { architecture: settings.architecture, os: 'linux' },
    annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1) },
  }));
  const pathOf = (digest: string): string => `blobs/${digest.replace(':', '/')}`;
  const file = (path: string, data: Buffer): TarEntry => ({ path, type: 'file', data });
  const dockerManifest = [
    { Config: pathOf(config.digest), RepoTags: settings.names, Layers: layerDescriptors.map(({ digest }) => pathOf(digest)) },
  ];
  const archive = tar([
    file('oci-layout', json({ imageLayoutVersion: '1.0.0' })),
    file('index.json', json({ schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: named })),
    file('manifest.json', json(dockerManifest)),
    ...[...blobs].map(([digest, data]) => file(pathOf(digest), data)),
  ]);
  const compressedBytes = layers.reduce((sum, { compressed }) => sum + compressed.length, 0);
  return { archive, digest: manifest.digest, compressedBytes };
}

const configOf = (settings: ImageSettings, layers: readonly Layer[]) => ({
  created: epoch,
  architecture: settings.architecture,
  os: 'linux',
  config: {
    ...(settings.user === undefined ? {} : { User: settings.user }),
    Env: Object.entries(settings.environment ?? {}).map(([name, value]) => `${name}=${value}`),
    Entrypoint: settings.entrypoint,
    ...(settings.command === undefined ? {} : { Cmd: settings.command }),
    ...(settings.workingDir === undefined ? {} : { WorkingDir: settings.workingDir }),
    ...(settings.labels === undefined ? {} : { Labels: settings.labels }),
  },
  rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
  history: layers.map(() => ({ created: epoch })),
});
