/**
 * Cuts a stream of bytes into parts of one size, the last one shorter. Two buffers are used in turn: a part is valid until the one after the next
 * is asked for, so that one can be sent while the next is being read.
 */
export async function* partsOf(chunks: AsyncIterable<Uint8Array>, partBytes: number): AsyncGenerator<Buffer, void> {
  const spare: Buffer[] = [];
  let part: Buffer | undefined;
  let filled = 0;
  for await (const chunk of chunks) {
    let start = 0;
    while (start < chunk.length) {
      part ??= (spare.length > 1 ? spare.shift() : undefined) ?? Buffer.allocUnsafeSlow(partBytes);
      const taken = Math.min(partBytes - filled, chunk.length - start);
      part.set(chunk.subarray(start, start + taken), filled);
      filled += taken;
      start += taken;
      if (filled === partBytes) {
        yield part;
        spare.push(part);
        part = undefined;
        filled = 0;
      }
    }
  }
  if (part !== undefined) yield part.subarray(0, filled);
}
