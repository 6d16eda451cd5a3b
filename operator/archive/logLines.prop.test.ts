/** Wherever a connection breaks, and however the kubelet's seconds fall, the log comes out as it was written. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LogLines } from './logLines.ts';

interface Line {
  readonly ms: number;
  readonly text: string;
}

const startMs = Date.UTC(2026, 0, 2, 3, 4, 5);
const timeOf = (ms: number): string => new Date(startMs + ms).toISOString().replace('Z', '000000Z');

/** A log whose times never go back; only the last line may have no end. */
const log = fc
  .tuple(
    fc.array(fc.record({ stepMs: fc.constantFrom(0, 0, 1, 300, 1000, 2500), text: fc.string({ unit: 'binary-ascii', maxLength: 40 }) }), {
      maxLength: 30,
    }),
    fc.boolean(),
  )
  .map(([steps, hasEnd]) => {
    let ms = 0;
    const lines = steps.map(({ stepMs, text }): Line => ({ ms: (ms += stepMs), text: text.replaceAll('\n', '') }));
    return { lines, hasEnd };
  });

/** What a kubelet sends of the first `written` lines, since a time that it cuts to seconds. */
function sent(lines: readonly Line[], written: number, since: string | undefined, hasEnd: boolean): Buffer {
  const sinceMs = since === undefined ? -Infinity : Math.floor(Date.parse(since) / 1000) * 1000;
  const text = lines
    .slice(0, written)
    .map((line, index) => ({ ...line, end: index === lines.length - 1 && !hasEnd ? '' : '\n' }))
    .filter(({ ms }) => startMs + ms >= sinceMs)
    .map(({ ms, text: words, end }) => `${timeOf(ms)} ${words}${end}`);
  return Buffer.from(text.join(''));
}

it('gives the log once, over any number of broken connections', () => {
  fc.assert(
    fc.property(
      log,
      fc.array(fc.record({ written: fc.nat(40), cutAt: fc.nat(2000), chunk: fc.integer({ min: 1, max: 60 }) }), { maxLength: 6 }),
      ({ lines, hasEnd }, breaks) => {
        const reader = new LogLines();
        const out: Buffer[] = [];
        const connect = (written: number, cutAt: number, chunk: number): void => {
          const bytes = sent(lines, written, reader.resume(), hasEnd).subarray(0, cutAt);
          for (let at = 0; at < bytes.length; at += chunk) out.push(...reader.push(bytes.subarray(at, at + chunk)));
        };
        let written = 0;
        for (const cut of breaks) connect((written = Math.max(written, cut.written)), cut.cutAt, cut.chunk);
        connect(lines.length, Infinity, 16);
        // The last look, after the container has ended.
        connect(lines.length, Infinity, 1000);
        const whole = lines.map(({ text }, index) => text + (index === lines.length - 1 && !hasEnd ? '' : '\n')).join('');
        expect(Buffer.concat(out).toString()).toBe(whole);
      },
    ),
    { numRuns: 2000 },
  );
});
