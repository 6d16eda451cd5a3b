/**
 * Volumes as directories of the pod's own: `<pod>/volumes/<name>`. Secrets and ConfigMaps are written once, when the pod starts. A hostPath
 * is the host's path itself. What needs a storage system is refused with a message.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Container, Pod } from '../../operator/kube/builtin.ts';
import { fieldValue, resourceValue } from './downward.ts';
import type { Mount } from './mountPaths.ts';
import { NotReadyError } from './podApi.ts';
import type { ContentReader, DownwardItem, KeyItem, ProjectedSource, Volume } from './podApi.ts';

interface VolumeFile {
  readonly path: string;
  readonly bytes: Buffer;
  readonly mode?: number;
}

export interface VolumeInput {
  readonly pod: Pod;
  readonly podDir: string;
  readonly content: ContentReader;
  readonly podIP: string;
}

const volumesOf = (pod: Pod): readonly Volume[] => (pod.spec.volumes ?? []) as readonly Volume[];

const hostPathOf = (volume: Volume, podDir: string): string => volume.hostPath?.path ?? path.join(podDir, 'volumes', volume.name);

/** Makes all volumes of a pod; may be called again after a failure. Throws NotReadyError worded as kubelet's FailedMount. */
export async function makeVolumes(input: VolumeInput): Promise<void> {
  for (const volume of volumesOf(input.pod)) {
    if (volume.hostPath !== undefined) continue;
    try {
      const dir = hostPathOf(volume, input.podDir);
      await mkdir(dir, { recursive: true });
      await writeFiles(dir, filesOf(volume, input), defaultModeOf(volume));
    } catch (error) {
      throw new NotReadyError(`MountVolume.SetUp failed for volume "${volume.name}" : ${(error as Error).message}`, { cause: error });
    }
  }
}

/** Where a container's mount paths lie on this machine. */
export async function containerMounts(pod: Pod, container: Container, podDir: string): Promise<readonly Mount[]> {
  const mounts: Mount[] = [];
  for (const mount of container.volumeMounts ?? []) {
    const volume = volumesOf(pod).find((candidate) => candidate.name === mount.name);
    if (volume === undefined) throw new NotReadyError(`volumeMount "${mount.name}" names no volume of the pod`);
    const base = hostPathOf(volume, podDir);
    const hostPath = within(base, mount.subPath ?? '');
    if (mount.subPath !== undefined && volume.emptyDir !== undefined) await mkdir(hostPath, { recursive: true });
    mounts.push({ mountPath: mount.mountPath, hostPath });
  }
  return mounts;
}

async function writeFiles(dir: string, files: readonly VolumeFile[], defaultMode: number): Promise<void> {
  for (const file of files) {
    const target = within(dir, file.path);
    await mkdir(path.dirname(target), { recursive: true });
    await writeFile(target, file.bytes, { mode: file.mode ?? defaultMode });
  }
}

/** Joins, and refuses a path that leads out of the volume. */
function within(base: string, relative: string): string {
  const target = path.resolve(base, relative);
  if (target !== base && !target.startsWith(base + path.sep)) throw new NotReadyError(`path ${JSON.stringify(relative)} leaves its volume`);
  return target;
}

const defaultModeOf = (volume: Volume): number =>
  (volume.secret ?? volume.configMap ?? volume.downwardAPI ?? volume.projected)?.defaultMode ?? 0o644;

function filesOf(volume: Volume, input: VolumeInput): readonly VolumeFile[] {
  if (volume.emptyDir !== undefined) return [];
  if (volume.secret !== undefined) return sourceFiles({ secret: { ...volume.secret, name: volume.secret.secretName } }, input);
  if (volume.configMap !== undefined) return sourceFiles({ configMap: volume.configMap }, input);
  if (volume.downwardAPI !== undefined) return sourceFiles({ downwardAPI: volume.downwardAPI }, input);
  if (volume.projected !== undefined) return (volume.projected.sources ?? []).flatMap((source) => sourceFiles(source, input));
  const kind = Object.keys(volume).find((field) => field !== 'name') ?? 'none';
  throw new NotReadyError(
    `the sandbox has no volumes of type ${kind}: use emptyDir, hostPath, secret, configMap, downwardAPI or projected`,
  );
}

function sourceFiles(source: ProjectedSource, input: VolumeInput): readonly VolumeFile[] {
  if (source.secret !== undefined) return keyFiles('secret', source.secret, input.content.secret(source.secret.name));
  if (source.configMap !== undefined) return keyFiles('configmap', source.configMap, input.content.configMap(source.configMap.name));
  if (source.downwardAPI !== undefined) return (source.downwardAPI.items ?? []).map((item) => downwardFile(item, input));
  throw new NotReadyError(`the sandbox cannot project ${Object.keys(source).join(', ')}: use secret, configMap or downwardAPI`);
}

function keyFiles(
  kind: string,
  source: { readonly name: string; readonly optional?: boolean; readonly items?: readonly KeyItem[] },
  data: ReadonlyMap<string, Buffer> | undefined,
): readonly VolumeFile[] {
  if (data === undefined) {
    if (source.optional === true) return [];
    throw new NotReadyError(`${kind} "${source.name}" not found`);
  }
  if (source.items === undefined) return [...data].map(([key, bytes]) => ({ path: key, bytes }));
  return source.items.flatMap(({ key, path: target, mode }) => {
    const bytes = data.get(key);
    if (bytes !== undefined) return [{ path: target, bytes, ...(mode === undefined ? {} : { mode }) }];
    if (source.optional === true) return [];
    throw new NotReadyError(`references non-existent ${kind} key: ${key}`);
  });
}

function downwardFile(item: DownwardItem, { pod, podIP }: VolumeInput): VolumeFile {
  const value =
    item.resourceFieldRef === undefined
      ? fieldValue(pod, item.fieldRef?.fieldPath ?? '', podIP)
      : resourceValue(pod, '', item.resourceFieldRef);
  return { path: item.path, bytes: Buffer.from(value), ...(item.mode === undefined ? {} : { mode: item.mode }) };
}
