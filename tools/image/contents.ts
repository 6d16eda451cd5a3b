/**
 * What is in the operator's image, in one description: `make image` packs it without any container tool, and the Dockerfile copies the
 * same files out of its build stage. A Node runtime with the libraries it links, certificates, a user that is not root, the bundle
 * and the CRDs. No shell and no package manager.
 */
import { readFile, readdir, realpath } from 'node:fs/promises';
import path from 'node:path';
import { rootCertificates } from 'node:tls';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { bundle, bundlePath, root } from './bundle.ts';
import type { ImageSettings } from './ociArchive.ts';
import type { TarEntry } from './tar.ts';

const run = promisify(execFile);

/** A machine on which the image cannot be put together. */
export class ContentsError extends Error {
  readonly code = 'Contents';
  override readonly name = 'ContentsError';
}

export const user = '65532:65532';
const appDir = 'app';
const [uid = '', gid = ''] = user.split(':');

/**
 * Flags of Node that every start of the operator should have. V8 lets the space for new objects grow to 134 MB when there is much to do; a
 * twelfth of that is collected more often, and takes no longer in all. What is left after a collection it lets grow to four times as much before the
 * next; to 1.6 times is what Go's collector would do with GOGC=60. Source maps lie beside the code and are not read: node would keep 11 MB of them,
 * and names of functions are in the code. NODE_OPTIONS=--enable-source-maps reads them.
 */
export const nodeFlags = ['--max-semi-space-size=8', '--heap-growing-percent=60'] as const;

/**
 * For the C library, which otherwise keeps what was large once: a page of a list is 2 MB, comes in hundreds of pieces, and after a hundred
 * pages of garbage 100 MB stay that nobody uses.
 */
export const allocatorEnvironment = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '131072',
} as const;

/** How a container of the image starts. */
export function settingsOf(names: readonly string[], version: string): ImageSettings {
  return {
    names,
    architecture: architecture(),
    user,
    workingDir: `/${appDir}`,
    environment: {
      PATH: '/usr/local/bin',
      NODE_ENV: 'production',
      SSL_CERT_FILE: '/etc/ssl/certs/ca-certificates.crt',
      ...allocatorEnvironment,
    },
    entrypoint: ['/usr/local/bin/node', ...nodeFlags, `/${appDir}/${bundlePath}`],
    command: ['run'],
    labels: {
      'org.opencontainers.image.title': 'prow-operator',
      'org.opencontainers.image.version': version,
      'org.opencontainers.image.licenses': 'Apache-2.0',
    },
  };
}

function architecture(): 'amd64' | 'arm64' {
  if (process.platform === 'linux' && process.arch === 'x64') return 'amd64';
  if (process.platform === 'linux' && process.arch === 'arm64') return 'arm64';
  throw new ContentsError(
    `The image is for Linux on x86-64 and arm64, and takes its runtime from the machine that builds it; this is ${process.platform} on ` +
      `${process.arch}. Use the Dockerfile: \`docker build .\``,
  );
}

/** The layer that changes with the version of Node only. */
export async function runtimeFiles(): Promise<readonly TarEntry[]> {
  architecture();
  const libraries = await Promise.all((await librariesOf(process.execPath)).map(fileAt));
  const text = (file: string, lines: readonly string[]): TarEntry => ({
    path: file,
    type: 'file',
    data: Buffer.from(`${lines.join('\n')}\n`),
  });
  return [
    { path: 'usr/local/bin/node', type: 'file', data: await readFile(process.execPath), mode: 0o755 },
    ...libraries,
    text('etc/passwd', ['root:x:0:0:root:/:/sbin/nologin', `prow:x:${uid}:${gid}:prow-operator:/tmp:/sbin/nologin`]),
    text('etc/group', ['root:x:0:', `prow:x:${gid}:`]),
    text('etc/nsswitch.conf', ['hosts: files dns']),
    // Those that this Node trusts, not those of the machine that builds the image.
    text('etc/ssl/certs/ca-certificates.crt', rootCertificates),
    { path: 'tmp', type: 'directory', mode: 0o1777 },
  ];
}

/** The layer that changes with our code. */
export async function applicationFiles(): Promise<readonly TarEntry[]> {
  const crdsDir = 'crds/generated';
  const crds = (await readdir(path.join(root, crdsDir))).filter((name) => name.endsWith('.yaml')).map((name) => `${crdsDir}/${name}`);
  const copied = await Promise.all([...crds, 'LICENSE'].map(async (file) => ({ path: file, data: await readFile(path.join(root, file)) })));
  return [...(await bundle()), ...copied].map(({ path: file, data }) => ({ path: `${appDir}/${file}`, type: 'file', data }));
}

/** The shared libraries that a program links, with the loader. */
async function librariesOf(program: string): Promise<readonly string[]> {
  const { stdout } = await run('ldd', [program]).catch((error: unknown) => {
    throw new ContentsError(`ldd ${program} failed: ${(error as Error).message}`);
  });
  return parseLdd(stdout);
}

/** The files in the output of ldd. Throws when one is not found. */
export function parseLdd(output: string): readonly string[] {
  const missing = /^\s*(\S+) => not found/m.exec(output)?.[1];
  if (missing !== undefined) throw new ContentsError(`Node links ${missing}, which is not on this machine`);
  return [...output.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x/gm)].map(([, file = '']) => file);
}

/** A library under the name that the program asks for, whatever it is a link to. */
async function fileAt(file: string): Promise<TarEntry> {
  return { path: file.replace(/^\//, ''), type: 'file', data: await readFile(await realpath(file)), mode: 0o755 };
}
