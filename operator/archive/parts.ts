/** Cuts a stream of bytes into parts of one size, the last one shorter. Each part is a buffer of its own; one is held at a time. */
export async function* partsOf(chunks: AsyncIterable<Uint8Array>, partBytes: number): AsyncGenerator<Buffer, void> {
  let part: Buffer | undefined;
  let filled = 0;
  for await (const chunk of chunks) {
    let start = 0;
    while (start < chunk.length) {
      part ??= Buffer.allocUnsafeSlow(partBytes);
      const taken = Math.min(partBytes - filled, chunk.length - start);
      part.set(chunk.subarray(start, start + taken), filled);
      filled += taken;
      start += taken;
      if (filled === partBytes) {
        yield part;
        part = undefined;
        filled = 0;
      }
    }
  }
  if (part !== undefined) yield part.subarray(0, filled);
}
