/**
 * The operator as its image starts it: the bundle, with the flags of Node and the environment of a container. From source it would hold the
 * compiler of TypeScript as well, and have all the room that Node takes where nobody limits it.
 */
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { bundle, bundlePath, root } from '../../../tools/image/bundle.ts';
import { allocatorEnvironment, nodeFlags } from '../../../tools/image/contents.ts';

export interface Program {
  readonly command: string;
  /** What comes before the arguments of the operator. */
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

let made: Promise<Program> | undefined;

/** Bundles it once for this process, and removes it when the process exits. Throws BundleError. */
export function imageProgram(): Promise<Program> {
  made ??= write();
  return made;
}

async function write(): Promise<Program> {
  // Inside the checkout, as deep as the bundle lies in the image: what it reads beside itself is found by relative paths.
  const cache = path.join(root, 'node_modules', '.cache');
  await mkdir(cache, { recursive: true });
  const directory = await mkdtemp(path.join(cache, 'bench-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  for (const { path: file, data } of await bundle()) {
    const target = path.join(directory, file);
    await mkdir(path.dirname(target), { recursive: true });
    await writeFile(target, data);
  }
  return {
    command: process.execPath,
    args: [...nodeFlags, path.join(directory, bundlePath)],
    environment: { NODE_ENV: 'production', ...allocatorEnvironment },
  };
}
