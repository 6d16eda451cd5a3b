/** Reads the text that /metrics answers with, as far as counters and gauges go. Lines that it does not understand are passed over. */

export interface Sample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
}

const line = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/;
const pair = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** All samples of the families asked for. */
export function readSamples(text: string, names: ReadonlySet<string>): readonly Sample[] {
  return text.split('\n').flatMap((row) => {
    const [, name = '', labels = '', value = ''] = line.exec(row) ?? [];
    return names.has(name) ? [{ name, labels: readLabels(labels), value: Number(value) }] : [];
  });
}

const readLabels = (text: string): ReadonlyMap<string, string> =>
  new Map(
    [...text.matchAll(pair)].map(([, name = '', value = '']) => [name, value.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c))]),
  );

/** The sum of a family; 0 when it has no sample. */
export const total = (samples: readonly Sample[], name: string): number =>
  samples.filter((sample) => sample.name === name).reduce((sum, { value }) => sum + value, 0);

export type Counts = ReadonlyMap<string, number>;

/** What was added between two readings, without what stayed the same. */
export function added(before: Counts, after: Counts): Counts {
  const changes = [...after].map(([key, value]) => [key, value - (before.get(key) ?? 0)] as const);
  return new Map(changes.filter(([, change]) => change !== 0));
}
