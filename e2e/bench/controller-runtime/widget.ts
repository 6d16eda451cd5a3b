/** The toy kind of the comparison with controller-runtime: a spec that a driver changes, a status that says which generation was seen by which run. */
import type { KubeObject } from '../../../operator/kube/objects.ts';
import type { ResourceType } from '../../../operator/kube/resource.ts';

export interface Widget extends KubeObject {
  readonly spec: { readonly size: number; readonly text: string };
  readonly status?: { readonly observedGeneration?: number; readonly count?: number; readonly run?: string };
}

const gv = { group: 'bench.example.io', version: 'v1' };
export const widgets: ResourceType<Widget> = { ...gv, plural: 'widgets', kind: 'Widget', namespaced: true };

export const widgetCrds: ResourceType = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
};
const integer = { type: 'integer', format: 'int64' };

export const widgetCrd = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.bench.example.io' },
  spec: {
    group: 'bench.example.io',
    scope: 'Namespaced',
    names: { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            required: ['spec'],
            properties: {
              spec: {
                type: 'object',
                required: ['size', 'text'],
                properties: { size: { ...integer, minimum: 0 }, text: { type: 'string', maxLength: 1024 } },
              },
              status: {
                type: 'object',
                properties: { observedGeneration: integer, count: integer, run: { type: 'string', maxLength: 63 } },
              },
            },
          },
        },
      },
    ],
  },
} satisfies KubeObject & { readonly spec: object };

/** The objects fill a few namespaces, as they do in real clusters; numbers give the same names in every round. */
const namespaceCount = 4;
export const namespaceNames: readonly string[] = Array.from({ length: namespaceCount }, (_, index) => `widgets-${index}`);

/** The key of widget number `index`. */
export const widgetKey = (index: number): { readonly namespace: string; readonly name: string } => ({
  namespace: namespaceNames[index % namespaceCount]!,
  name: `widget-${String(index).padStart(6, '0')}`,
});

/** Widget number `index` as it is created: about 1 kB as the server keeps it. */
export const newWidget = (index: number): Widget => ({
  apiVersion: 'bench.example.io/v1',
  kind: 'Widget',
  metadata: {
    ...widgetKey(index),
    labels: { 'app.kubernetes.io/name': 'widget', 'app.kubernetes.io/part-of': 'bench', colour: index % 2 === 0 ? 'red' : 'blue' },
    annotations: { 'bench.example.io/purpose': 'Something for a controller to look at and to say that it has seen it' },
  },
  spec: { size: 0, text: `Widget ${index} `.padEnd(200, 'lorem ipsum dolor sit amet ') },
});
