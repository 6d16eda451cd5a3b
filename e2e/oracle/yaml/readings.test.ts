/** Configuration is read as Prow reads it: readings.jsonl holds the answers of its library (main.go), and needs no Go here. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { readConfig } from '../../../operator/importing/readConfig.ts';
import { toJson } from '../../../operator/importing/tree.ts';

interface Reading {
  readonly text: string;
  readonly value?: unknown;
  readonly error?: string;
}

const readings = readFileSync(path.join(import.meta.dirname, 'readings.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Reading);

/** null is nothing to Prow's types. */
const withoutNulls = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(withoutNulls)
    : typeof value === 'object' && value !== null
      ? Object.fromEntries(Object.entries(value).flatMap(([key, inner]) => (inner === null ? [] : [[key, withoutNulls(inner)]])))
      : value;

it('has readings and refusals to compare with', () => {
  expect(readings.filter(({ error }) => error === undefined).length).toBeGreaterThan(500);
  expect(readings.filter(({ error }) => error !== undefined).length).toBeGreaterThan(50);
});

it.each(readings.map((reading, index) => ({ ...reading, index })))('document $index', ({ text, value, error }) => {
  const { root, problems } = readConfig({ file: 'f', text });
  expect(problems.length > 0).toBe(error !== undefined);
  if (root !== undefined) expect(toJson(root)).toEqual(withoutNulls(value));
});
