/**
 * The images that a cluster without a registry needs: one whose only task is to hold a pod's namespaces, and one to run test jobs in.
 * Both hold nothing but Debian's static busybox. The second also answers to the names that the examples and the conformance list use.
 */
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { imageArchive, layerOf } from '../../tools/image/ociArchive.ts';
import type { TarEntry } from '../../tools/image/tar.ts';
import { command } from './commands.ts';
import { pauseImage } from './configFiles.ts';
import { ClusterError } from './errors.ts';
import { cacheDir } from './paths.ts';

/** The name that tests should use. */
export const busyboxImage = 'localhost/prow-e2e/busybox:1';
const busyboxNames: readonly string[] = [
  busyboxImage,
  'docker.io/library/busybox:1.37',
  'docker.io/library/busybox:1.36',
  'docker.io/library/busybox:latest',
  'docker.io/library/alpine:3.22',
];

/** Made once; resolves with the archives to import. */
export async function ensureTestImages(): Promise<readonly string[]> {
  const directory = path.join(cacheDir, 'images');
  await mkdir(directory, { recursive: true });
  const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';
  const busybox = await ensureBusybox();
  const layer = await layerOf(await contents(busybox));
  const path_ = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  const common = { architecture, environment: { PATH: path_ } } as const;
  const images = [
    { file: 'pause.tar', settings: { ...common, names: [pauseImage], entrypoint: ['/bin/sleep', '2147483647'] } },
    { file: 'busybox.tar', settings: { ...common, names: busyboxNames, entrypoint: [], command: ['sh'] } },
  ];
  const files: string[] = [];
  for (const { file, settings } of images) {
    const target = path.join(directory, file);
    await writeFile(target, imageArchive(settings, [layer]).archive);
    files.push(target);
  }
  return files;
}

/** A file system with busybox under every name that it knows. */
async function contents(busybox: string): Promise<readonly TarEntry[]> {
  const applets = (await command(busybox, ['--list'])).split('\n').filter((name) => name !== '' && name !== 'busybox');
  const passwd = 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n';
  return [
    { path: 'bin/busybox', type: 'file', data: await readFile(busybox), mode: 0o755 },
    ...applets.map((name) => ({ path: `bin/${name}`, type: 'symlink', target: 'busybox' }) as const),
    { path: 'etc/passwd', type: 'file', data: Buffer.from(passwd) },
    { path: 'etc/group', type: 'file', data: Buffer.from('root:x:0:\nnogroup:x:65534:\n') },
    { path: 'tmp', type: 'directory', mode: 0o1777 },
    { path: 'root', type: 'directory', mode: 0o700 },
  ];
}

/** Takes the program out of the Debian package without installing it: busybox-static and busybox exclude each other. */
async function ensureBusybox(): Promise<string> {
  const target = path.join(cacheDir, 'busybox');
  if (existsSync(target)) return target;
  const workDir = await mkdtemp(path.join(cacheDir, 'busybox-'));
  try {
    // The download runs as the user _apt where it can, who may not write here: root's own sandbox setting is the documented way out.
    await command('apt-get', ['download', '-qq', '-o', 'APT::Sandbox::User=root', 'busybox-static'], { cwd: workDir });
    const [archive] = (await readdir(workDir)).filter((name) => name.endsWith('.deb'));
    if (archive === undefined)
      throw new ClusterError('apt-get downloaded no busybox-static package: see `apt-cache policy busybox-static`.');
    await command('dpkg-deb', ['--extract', archive, 'root'], { cwd: workDir });
    const program = path.join(workDir, 'root', existsSync(path.join(workDir, 'root', 'bin', 'busybox')) ? 'bin' : 'usr/bin', 'busybox');
    await chmod(program, 0o755);
    await rename(program, target);
    return target;
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}
