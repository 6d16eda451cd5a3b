/** What a cluster refuses of a PeriodicSet before the operator sees it. */
import { describe, expect, it } from 'vitest';
import { customResourceDefinitions } from '../definitions.ts';
import { formatFieldError, StructuralSchema } from '../structural.ts';

const crd = customResourceDefinitions().find(({ spec }) => spec.names.kind === 'PeriodicSet');
const schema = new StructuralSchema(crd?.spec.versions[0]?.schema.openAPIV3Schema);

interface Case {
  readonly name: string;
  readonly spec?: object;
  readonly metadata?: object;
  readonly refused?: readonly RegExp[];
}

const regions = { matrix: { region: ['eu', 'us'] } };
const unknown = /holds a placeholder that is no name of matrix or include/;
const manyNames = Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`l${index}`, 'x']));

const cases: readonly Case[] = [
  { name: 'a matrix is enough', spec: regions },
  { name: 'includes are enough', spec: { include: [{ region: 'eu' }, { region: 'us' }] } },
  { name: 'neither of them is not', spec: {}, refused: [/matrix or include must name/, unknown] },
  { name: 'an empty matrix is not', spec: { matrix: {} }, refused: [/matrix or include must name/, unknown] },
  {
    name: 'a name of the matrix has at least one value',
    spec: { matrix: { region: [] } },
    refused: [/spec\.matrix\.region.*at least 1/],
  },
  {
    name: 'a value stands once',
    spec: { matrix: { region: ['eu', 'eu'] } },
    refused: [/^spec\.matrix\.region\[1\]: Duplicate value: "eu"/],
  },
  {
    name: 'names can be written in a placeholder',
    spec: { ...regions, include: [{ 'a b': 'x' }] },
    refused: [/^spec\.include\[0\]: .*a name begins with a letter/],
  },
  { name: 'names of the matrix as well', spec: { matrix: { ...regions.matrix, '1': ['x'] } }, refused: [/^spec\.matrix: .*a name begins/] },
  { name: 'an include says something', spec: { ...regions, include: [{}] }, refused: [/spec\.include\[0\].*at least 1 properties/] },
  {
    name: 'the name of the template has only names that there are',
    spec: regions,
    metadata: { name: 'e2e-${region}-${zone}' },
    refused: [/^spec\.template\.metadata\.name: .*holds a placeholder/],
  },
  {
    name: 'a name that only an include brings is known',
    spec: { ...regions, include: [{ region: 'eu', zone: 'a' }] },
    metadata: { name: 'e2e-${region}-${zone}' },
  },
  { name: 'a name of the template may have no placeholder', spec: regions, metadata: { name: 'e2e' } },
  {
    name: 'a placeholder is closed',
    spec: regions,
    metadata: { name: 'e2e-${region' },
    refused: [/^spec\.template\.metadata\.name: .*should match/],
  },
  { name: 'a beginning of a name is not the name', spec: regions, metadata: { name: '${regio}' }, refused: [unknown] },
  { name: 'a name has no letters of other kinds', spec: regions, metadata: { name: 'E2E' }, refused: [/should match/] },
  { name: 'labels hold placeholders', spec: regions, metadata: { labels: { 'team/region': '${region}' } } },
  {
    name: 'labels hold only names that there are',
    spec: regions,
    metadata: { labels: { a: 'x', b: 'x-${zone}' } },
    refused: [/^spec\.template\.metadata\.labels: .*holds a placeholder/],
  },
  { name: 'labels hold what a label can', spec: regions, metadata: { labels: { a: 'x y' } }, refused: [/labels\.a: .*should match/] },
  { name: 'there is an end to labels', spec: regions, metadata: { labels: manyNames }, refused: [/32/, /not checked/] },
  { name: 'annotations hold any text', spec: regions, metadata: { annotations: { a: '$ $5 100$ $(x)\n$$${y} ${region}' } } },
  {
    name: 'annotations hold only names that there are',
    spec: regions,
    metadata: { annotations: { a: 'in ${zone}' } },
    refused: [/^spec\.template\.metadata\.annotations: .*holds a placeholder/],
  },
  { name: 'an annotation with a plain ${ is left to the operator', spec: regions, metadata: { annotations: { a: '$${x} ${zone}' } } },
  {
    name: 'annotations hold no half placeholder',
    spec: regions,
    metadata: { annotations: { a: '${region:-eu}' } },
    refused: [/annotations\.a: .*should match/, unknown],
  },
];

describe('the rules of PeriodicSet', () => {
  it.each(cases)('$name', ({ spec = regions, metadata, refused = [] }) => {
    const template = { metadata: { name: 'e2e-${region}', ...metadata }, spec: { cron: '@hourly', anything: ['${zone}'] } };
    const set = {
      apiVersion: 'prow.k8s.io/v1',
      kind: 'PeriodicSet',
      metadata: { name: 'e2e', namespace: 'ci' },
      spec: { ...spec, template },
    };
    const lines = schema.validate(schema.applyDefaults(set)).map(formatFieldError);
    expect(lines).toHaveLength(refused.length);
    refused.forEach((pattern, index) => expect(lines[index]).toMatch(pattern));
  });
});
