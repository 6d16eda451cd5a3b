import { expect, test } from 'vitest';
import { stateDirOf } from './paths.ts';

test('the state lies beside the code', () => {
  expect(stateDirOf('/work/main/e2e/cluster')).toBe('/work/main/e2e/cluster/.state');
});

test('a checkout whose name is too long for sockets keeps its state under a short name, the same every time', () => {
  const long = `/${'x'.repeat(90)}/e2e/cluster`;
  expect(stateDirOf(long)).toMatch(/^\/var\/lib\/prow-e2e-[0-9a-f]{12}$/);
  expect(stateDirOf(long)).toBe(stateDirOf(long));
  expect(stateDirOf(`${long}2`)).not.toBe(stateDirOf(long));
});
