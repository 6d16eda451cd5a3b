import { describe, expect, it } from 'vitest';
import { decodeProtobuf } from './protobuf.ts';

/** One field on the wire: a length-delimited one for text and messages, a number otherwise. All lengths here fit into one byte. */
const field = (number: number, value: string | Buffer | number): Buffer =>
  typeof value === 'number'
    ? Buffer.from([number << 3, value])
    : Buffer.concat([Buffer.from([(number << 3) | 2, Buffer.byteLength(value)]), Buffer.from(value)]);

const envelope = (kind: string, ...raw: Buffer[]) =>
  Buffer.concat([Buffer.from('k8s\0'), field(1, Buffer.concat([field(1, 'v1'), field(2, kind)])), field(2, Buffer.concat(raw))]);

const metadata = field(
  1,
  Buffer.concat([
    field(1, 'x'),
    field(2, ''),
    field(11, Buffer.concat([field(1, 'app'), field(2, 'web')])),
    field(14, 'a/b'),
    field(14, 'c/d'),
  ]),
);

describe('decodeProtobuf', () => {
  it('reads a ConfigMap: metadata, maps, repeated fields, a flag', () => {
    const data = field(2, Buffer.concat([field(1, 'k'), field(2, 'v')]));
    expect(decodeProtobuf(envelope('ConfigMap', metadata, data, field(4, 1)))).toEqual({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'x', labels: { app: 'web' }, finalizers: ['a/b', 'c/d'] },
      data: { k: 'v' },
      immutable: true,
    });
  });

  it('reads the bytes of a Secret as base64', () => {
    const data = field(2, Buffer.concat([field(1, 'k'), field(2, Buffer.from([0, 255]))]));
    expect(decodeProtobuf(envelope('Secret', metadata, data))).toMatchObject({ data: { k: 'AP8=' } });
  });

  it('reads a Lease with its times in microseconds', () => {
    const time = field(4, Buffer.concat([field(1, 1), field(2, 7)]));
    expect(decodeProtobuf(envelope('Lease', metadata, field(2, Buffer.concat([field(1, 'me'), time]))))).toMatchObject({
      spec: { holderIdentity: 'me', renewTime: '1970-01-01T00:00:01.000000Z' },
    });
  });

  it('skips fields it does not know', () => {
    expect(decodeProtobuf(envelope('Namespace', metadata, field(9, 'later'), field(8, 1)))).toMatchObject({ metadata: { name: 'x' } });
  });

  it('names a kind that it cannot read, and what to send instead', () => {
    expect(() => decodeProtobuf(envelope('Deployment', metadata))).toThrow('does not read Deployment as protobuf: send application/json');
  });

  it.each([
    ['no envelope', Buffer.from('{}')],
    ['a length beyond the end', Buffer.concat([Buffer.from('k8s\0'), Buffer.from([0x0a, 0x7f])])],
    ['an endless number', Buffer.concat([Buffer.from('k8s\0'), Buffer.from([0x80])])],
  ])('refuses %s', (_, body) => {
    expect(() => decodeProtobuf(body)).toThrow(/protobuf/);
  });
});
