/** The charts as tests see them: where they are, what helm makes of them, and what it says when it makes nothing of them. */
import path from 'node:path';
import { parseAllDocuments } from 'yaml';
import { renderChart, type RenderOptions } from '../../tools/helm.ts';

const charts = path.join(import.meta.dirname, '../../charts');
export const chartDir = path.join(charts, 'prow-operator');
export const crdChartDir = path.join(charts, 'prow-operator-crds');
export const release = 'prow-operator';

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  // A manifest is JSON of any shape; the tests that look into one know it.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly [field: string]: any;
}

export type RenderChoice = Partial<Pick<RenderOptions, 'chart' | 'namespace' | 'valuesFiles' | 'set'>>;

/** The text that helm prints. Throws with helm's message. */
export const renderText = (choice: RenderChoice = {}): string => renderChart({ chart: chartDir, namespace: 'ci', ...choice });

const rendered = new Map<string, readonly Manifest[]>();

/** The objects. Each choice is rendered once: helm takes its time. */
export function render(choice: RenderChoice = {}): readonly Manifest[] {
  const key = JSON.stringify(choice);
  const manifests = rendered.get(key) ?? parseManifests(renderText(choice));
  rendered.set(key, manifests);
  return manifests;
}

function parseManifests(text: string): readonly Manifest[] {
  const documents = parseAllDocuments(text, { version: '1.1' });
  if (!Array.isArray(documents)) return [];
  for (const { errors } of documents) if (errors[0] !== undefined) throw errors[0];
  return documents.map((document) => document.toJS() as Manifest | null).filter((manifest) => manifest !== null);
}

/** helm's message about values that it refuses. Throws when it takes them. */
export function refusal(choice: RenderChoice): string {
  try {
    renderText(choice);
  } catch (error) {
    return error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
  }
  throw new Error(`helm took ${JSON.stringify(choice)}`);
}

/** The only object of this kind (and name). */
export function one(manifests: readonly Manifest[], kind: string, name?: string): Manifest {
  const found = manifests.filter((each) => each.kind === kind && (name === undefined || each.metadata.name === name));
  if (found.length !== 1 || found[0] === undefined) throw new Error(`${found.length} objects of kind ${kind} ${name ?? ''}`);
  return found[0];
}

export const ciValues = (name: string): string => path.join(chartDir, 'ci', `${name}.yaml`);

export const valueSets = ['minimal', 'ha', 'namespaced', 'airgapped', 'everything'] as const;

/** Every pod that a manifest makes, with the path to it in a few words. */
export function podSpecsOf(manifest: Manifest): readonly PodSpecOf[] {
  const where = `${manifest.kind} ${manifest.metadata.name}`;
  if (manifest.kind === 'Pod') return [{ where, labels: manifest.metadata.labels ?? {}, spec: manifest.spec as PodSpecOf['spec'] }];
  if (manifest.kind !== 'Deployment') return [];
  const { metadata, spec } = manifest.spec.template;
  return [{ where, labels: metadata.labels as PodSpecOf['labels'], spec: spec as PodSpecOf['spec'] }];
}

/** The pod of the runs that the pod of `helm test` starts. */
export function jobPodOf({ where, labels, spec }: PodSpecOf): readonly PodSpecOf[] {
  const text = spec.containers[0]?.args?.find((arg) => arg.startsWith('--pod-spec='));
  if (text === undefined) return [];
  return [{ where: `run of ${where}`, labels, spec: JSON.parse(text.slice('--pod-spec='.length)) as PodSpecOf['spec'] }];
}

interface ContainerOf {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly resources?: { readonly requests?: object; readonly limits?: object };
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly volumeMounts?: readonly { readonly mountPath: string; readonly readOnly?: boolean }[];
}

export interface PodSpecOf {
  readonly where: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: {
    readonly securityContext?: Readonly<Record<string, unknown>>;
    readonly containers: readonly ContainerOf[];
    readonly initContainers?: readonly ContainerOf[];
    readonly volumes?: readonly Readonly<Record<string, unknown>>[];
    readonly imagePullSecrets?: readonly { readonly name: string }[];
    readonly [field: string]: unknown;
  };
}
