/**
 * Writes tar archives (ustar) that depend on their entries alone: sorted, all of one time, owned by one user. The same entries give the same
 * bytes on every machine.
 */

export type TarEntry =
  | { readonly path: string; readonly type: 'file'; readonly data: Buffer; readonly mode?: number }
  | { readonly path: string; readonly type: 'directory'; readonly mode?: number }
  | { readonly path: string; readonly type: 'symlink'; readonly target: string };

const blockSize = 512;
const typeFlags = { file: '0', directory: '5', symlink: '2' } as const;
const defaultModes = { file: 0o644, directory: 0o755, symlink: 0o777 } as const;

/** An entry that the format cannot hold. */
export class TarError extends Error {
  readonly code = 'Tar';
  override readonly name = 'TarError';
}

/** The archive. Paths are relative and use slashes; parent directories that no entry names are added with mode 0755. */
export function tar(entries: readonly TarEntry[]): Buffer {
  const all = withParents(entries);
  const blocks = all.flatMap((entry) => {
    const data = entry.type === 'file' ? entry.data : Buffer.alloc(0);
    return [header(entry, data.length), data, Buffer.alloc(-data.length & (blockSize - 1))];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * blockSize)]);
}

function withParents(entries: readonly TarEntry[]): readonly TarEntry[] {
  const byPath = new Map<string, TarEntry>();
  for (const entry of entries) {
    if (byPath.has(entry.path)) throw new TarError(`${entry.path} is in the archive twice`);
    byPath.set(entry.path, entry);
  }
  for (const { path } of entries) {
    const parts = path.split('/').slice(0, -1);
    for (let length = 1; length <= parts.length; length += 1) {
      const parent = parts.slice(0, length).join('/');
      if (!byPath.has(parent)) byPath.set(parent, { path: parent, type: 'directory' });
    }
  }
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function header(entry: TarEntry, size: number): Buffer {
  const block = Buffer.alloc(blockSize);
  const { name, prefix } = splitPath(entry.type === 'directory' ? `${entry.path}/` : entry.path);
  const mode = entry.type === 'symlink' ? defaultModes.symlink : (entry.mode ?? defaultModes[entry.type]);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;
  block.write(name, 0);
  block.write(octal(mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(size, 11), 124);
  block.write(octal(0, 11), 136);
  block.write(' '.repeat(8), 148);
  block.write(typeFlags[entry.type], 156);
  if (entry.type === 'symlink') {
    if (Buffer.byteLength(entry.target) > 100) throw new TarError(`${entry.path}: the target ${entry.target} is longer than 100 bytes`);
    block.write(entry.target, 157);
  }
  block.write('ustar\0', 257);
  block.write('00', 263);
  block.write(prefix, 345);
  const checksum = block.reduce((sum, byte) => sum + byte, 0);
  block.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

/** ustar keeps up to 100 bytes of name and 155 of what comes before. */
function splitPath(path: string): { readonly name: string; readonly prefix: string } {
  if (Buffer.byteLength(path) <= 100) return { name: path, prefix: '' };
  for (let cut = path.indexOf('/'); cut !== -1; cut = path.indexOf('/', cut + 1)) {
    const prefix = path.slice(0, cut);
    const name = path.slice(cut + 1);
    if (name !== '' && Buffer.byteLength(name) <= 100 && Buffer.byteLength(prefix) <= 155) return { name, prefix };
  }
  throw new TarError(`${path}: the path is too long for a ustar archive`);
}
