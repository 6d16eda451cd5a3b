/** Shapes of the API that only the kubelet reads, and small readers over stored objects. */
import type { ConfigMap, Container, Pod, Secret } from '../../operator/kube/builtin.ts';
import { configMaps, secrets } from '../../operator/kube/builtin.ts';
import type { SandboxApi, StoredObject } from '../storage/storage.ts';

/** A container cannot be created yet, but may be later: a Secret or ConfigMap is missing, a volume cannot be made. */
export class NotReadyError extends Error {
  readonly code = 'NotReady';
  override readonly name = 'NotReadyError';
}

export interface KeyItem {
  readonly key: string;
  readonly path: string;
  readonly mode?: number;
}

interface ContentSource {
  readonly optional?: boolean;
  readonly items?: readonly KeyItem[];
}

export interface DownwardItem {
  readonly path: string;
  readonly mode?: number;
  readonly fieldRef?: { readonly fieldPath: string };
  readonly resourceFieldRef?: ResourceFieldRef;
}

export interface ResourceFieldRef {
  readonly resource: string;
  readonly containerName?: string;
  readonly divisor?: string;
}

export interface ProjectedSource {
  readonly secret?: ContentSource & { readonly name: string };
  readonly configMap?: ContentSource & { readonly name: string };
  readonly downwardAPI?: { readonly items?: readonly DownwardItem[] };
}

export interface Volume {
  readonly name: string;
  readonly emptyDir?: object;
  readonly hostPath?: { readonly path: string };
  readonly secret?: ContentSource & { readonly secretName: string; readonly defaultMode?: number };
  readonly configMap?: ContentSource & { readonly name: string; readonly defaultMode?: number };
  readonly downwardAPI?: { readonly items?: readonly DownwardItem[]; readonly defaultMode?: number };
  readonly projected?: { readonly sources?: readonly ProjectedSource[]; readonly defaultMode?: number };
}

export interface EnvFromSource {
  readonly prefix?: string;
  readonly configMapRef?: { readonly name: string; readonly optional?: boolean };
  readonly secretRef?: { readonly name: string; readonly optional?: boolean };
}

export interface Resources {
  readonly limits?: Readonly<Record<string, string | number>>;
  readonly requests?: Readonly<Record<string, string | number>>;
}

export const resourcesOf = (container: Container): Resources => container.resources ?? {};

export const asPod = (object: StoredObject): Pod => object as unknown as Pod;

/** What a pod's containers may read of the pod and its namespace. */
export interface ContentReader {
  /** File contents by key; undefined when the object does not exist. */
  secret(name: string): ReadonlyMap<string, Buffer> | undefined;
  configMap(name: string): ReadonlyMap<string, Buffer> | undefined;
}

export function contentReader(api: SandboxApi, namespace: string): ContentReader {
  return {
    secret(name) {
      const object = api.get(secrets, { namespace, name }) as Secret | undefined;
      return object === undefined ? undefined : decoded(object.data, 'base64');
    },
    configMap(name) {
      const object = api.get(configMaps, { namespace, name }) as
        (ConfigMap & { readonly binaryData?: Readonly<Record<string, string>> }) | undefined;
      return object === undefined ? undefined : new Map([...decoded(object.data, 'utf8'), ...decoded(object.binaryData, 'base64')]);
    },
  };
}

const decoded = (data: Readonly<Record<string, string>> | undefined, encoding: BufferEncoding): Map<string, Buffer> =>
  new Map(Object.entries(data ?? {}).map(([key, value]) => [key, Buffer.from(value, encoding)]));
