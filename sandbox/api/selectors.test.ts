import { describe, expect, it } from 'vitest';
import { parseFieldSelector, parseLabelSelector } from './selectors.ts';

const object = (labels: Record<string, string>, rest: object = {}) => ({ metadata: { name: 'x', namespace: 'n', labels }, ...rest });

interface Case {
  readonly selector: string;
  readonly labels: Record<string, string>;
  readonly matches: boolean;
}

const cases: readonly Case[] = [
  { selector: 'a=b', labels: { a: 'b' }, matches: true },
  { selector: 'a==b', labels: { a: 'c' }, matches: false },
  { selector: 'a!=b', labels: {}, matches: true },
  { selector: 'a!=b', labels: { a: 'b' }, matches: false },
  { selector: 'a', labels: { a: '' }, matches: true },
  { selector: '!a', labels: { a: '' }, matches: false },
  { selector: 'a in (b, c)', labels: { a: 'c' }, matches: true },
  { selector: 'a in (b,c)', labels: {}, matches: false },
  { selector: 'a notin (b,c)', labels: {}, matches: true },
  { selector: 'a notin (b,c)', labels: { a: 'b' }, matches: false },
  { selector: 'n>5', labels: { n: '6' }, matches: true },
  { selector: 'n<5', labels: { n: '6' }, matches: false },
  { selector: 'prow.k8s.io/id=1,a in (x,y),!gone', labels: { 'prow.k8s.io/id': '1', a: 'y' }, matches: true },
  { selector: 'prow.k8s.io/id=1,a in (x,y),!gone', labels: { 'prow.k8s.io/id': '1', a: 'y', gone: '' }, matches: false },
  { selector: 'a=', labels: { a: '' }, matches: true },
];

describe('label selectors', () => {
  it.each(cases)('$selector on $labels is $matches', ({ selector, labels, matches }) => {
    expect(parseLabelSelector(selector)?.(object(labels))).toBe(matches);
  });

  it.each(['a b', 'a in b', '=x', 'a=b c', 'a in (b,-)'])('%s is refused', (selector) => {
    expect(() => parseLabelSelector(selector)).toThrow(/unable to parse requirement/);
  });
});

describe('field selectors', () => {
  it.each([
    ['metadata.name=x', true],
    ['metadata.name!=x', false],
    ['metadata.namespace=n,status.phase=Running', true],
    ['status.phase!=Running', false],
    ['spec.nodeName=', true],
  ])('%s is %s', (selector, matches) => {
    const pod = object({}, { status: { phase: 'Running' } });
    expect(parseFieldSelector(selector, ['status.phase', 'spec.nodeName'])?.(pod)).toBe(matches);
  });

  it('names a field that is not supported', () => {
    expect(() => parseFieldSelector('spec.x=1', [])).toThrow('field label not supported: spec.x');
    expect(() => parseFieldSelector('spec.x=1', undefined)).toThrow('"spec.x" is not a known field selector: only');
  });
});
