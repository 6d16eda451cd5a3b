/**
 * A real S3 server for tests: MinIO, built from its Go module as pinned in server/go.mod (node e2e/archive/minio.ts builds it; minutes with an empty
 * Go cache), and kept in .cache. Listens on 127.0.0.1 on a free port with a directory of its own.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';

const serverDir = path.join(import.meta.dirname, 'server');
const pin = createHash('sha256')
  .update(readFileSync(path.join(serverDir, 'go.mod')))
  .digest('hex')
  .slice(0, 12);
export const minioBinary = path.join(import.meta.dirname, '.cache', `minio-${pin}`);

/** Undefined when the server can be started, else why not. */
export const minioMissing = (): string | undefined =>
  existsSync(minioBinary) ? undefined : 'the S3 server is not built: node e2e/archive/minio.ts builds it (needs Go 1.26)';

const user = 'prow-test';
const password = 'prow-test-secret';

export class Minio {
  readonly endpoint: string;
  readonly client: S3Client;
  readonly #process: ChildProcess;
  readonly #dir: string;

  private constructor(endpoint: string, server: ChildProcess, dir: string) {
    this.endpoint = endpoint;
    this.#process = server;
    this.#dir = dir;
    this.client = new S3Client({
      endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: user, secretAccessKey: password },
    });
  }

  /** What a program needs in its environment to write to it. */
  static readonly credentials = { AWS_ACCESS_KEY_ID: user, AWS_SECRET_ACCESS_KEY: password };

  static async start(...buckets: readonly string[]): Promise<Minio> {
    const dir = await mkdtemp(path.join(tmpdir(), 'prow-minio-'));
    const address = `127.0.0.1:${await freePort()}`;
    const server = spawn(minioBinary, ['server', '--quiet', '--address', address, '--console-address', '127.0.0.1:0', dir], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, MINIO_ROOT_USER: user, MINIO_ROOT_PASSWORD: password, MINIO_BROWSER: 'off', MINIO_UPDATE: 'off' },
    });
    const minio = new Minio(`http://${address}`, server, dir);
    await minio.#ready();
    for (const Bucket of buckets) await minio.client.send(new CreateBucketCommand({ Bucket }));
    return minio;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async stop(): Promise<void> {
    this.client.destroy();
    if (this.#process.exitCode === null) {
      this.#process.kill('SIGKILL');
      await once(this.#process, 'exit');
    }
    await rm(this.#dir, { recursive: true, force: true });
  }

  async #ready(): Promise<void> {
    while (this.#process.exitCode === null) {
      const answer = await fetch(`${this.endpoint}/minio/health/ready`).catch(() => undefined);
      if (answer?.ok === true) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`the S3 server ended with exit code ${this.#process.exitCode}`);
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const compilerName = 'go';

/** Builds the server when it is not there. */
export async function buildMinio(): Promise<void> {
  if (existsSync(minioBinary)) return;
  const partial = `${minioBinary}.${process.pid}`;
  await mkdir(path.dirname(minioBinary), { recursive: true });
  const compiler = spawn(
    compilerName,
    ['build', '-buildvcs=false', '-trimpath', '-ldflags', '-s -w', '-o', partial, 'github.com/minio/minio'],
    {
      cwd: serverDir,
      stdio: 'inherit',
      env: { ...process.env, CGO_ENABLED: '0', GOWORK: 'off' },
    },
  );
  const [code] = (await once(compiler, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`go build ended with exit code ${code ?? '?'}`);
  await rename(partial, minioBinary);
}

if (import.meta.main) {
  process.stdout.write(minioMissing() === undefined ? '' : 'Building the S3 server; about 3 minutes on 2 cores with an empty Go cache.\n');
  await buildMinio();
  process.stdout.write(`${minioBinary}\n`);
}
