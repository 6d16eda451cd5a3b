import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TransportError } from './errors.ts';
import { LineSplitter, parseEvent } from './watchStream.ts';

describe('LineSplitter', () => {
  it('gives the same lines wherever the chunks are cut, inside characters too', () => {
    const line = fc.string({ unit: fc.constantFrom('a', 'é', '漢', '🚀', ' x') }).filter((text) => text === text.trimEnd() && text !== '');
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat(400)), (lines, cuts) => {
        const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''));
        const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
        const splitter = new LineSplitter();
        const out = places.flatMap((place, index) => splitter.push(bytes.subarray(place, places[index + 1] ?? bytes.length)));
        expect(out).toEqual(lines);
        expect(splitter.pendingBytes).toBe(0);
      }),
    );
  });

  it('leaves out empty lines and takes CRLF for a line end', () => {
    expect(new LineSplitter().push(Buffer.from('a\r\n\n\r\nb\n'))).toEqual(['a', 'b']);
  });

  it('knows of a line that has not ended', () => {
    const splitter = new LineSplitter();
    expect(splitter.push(Buffer.from('a\nbc'))).toEqual(['a']);
    expect(splitter.pendingBytes).toBe(2);
  });

  it('refuses to collect a line without end', () => {
    const splitter = new LineSplitter(10);
    splitter.push(Buffer.from('12345'));
    expect(() => splitter.push(Buffer.from('678901'))).toThrow(/longer than 10 bytes/);
  });

  it('bounds a line, not a stream', () => {
    const splitter = new LineSplitter(10);
    for (let n = 0; n < 5; n += 1) expect(splitter.push(Buffer.from('1234\n5678'))).toEqual([n === 0 ? '1234' : '56781234']);
  });
});

describe('parseEvent', () => {
  it('takes the five kinds', () => {
    const object = { metadata: { name: 'a', resourceVersion: '1' } };
    for (const type of ['ADDED', 'MODIFIED', 'DELETED']) expect(parseEvent(JSON.stringify({ type, object }))).toEqual({ type, object });
    expect(parseEvent('{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7"}}}').type).toBe('BOOKMARK');
    expect(parseEvent('{"type":"ERROR","object":{"code":410}}').type).toBe('ERROR');
  });

  it('never returns for text that is no event, and never throws anything but a TransportError', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (line) => {
        expect(() => parseEvent(line)).toThrow(TransportError);
      }),
    );
  });
});
