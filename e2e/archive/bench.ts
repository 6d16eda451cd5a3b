/**
 * How much memory and time a long log takes: `node e2e/archive/bench.ts [MEGABYTES]`. A server in a process of its own plays the kubelet and streams
 * the log with times; a fresh process follows it into the spool and writes it to a directory, and another one to a real S3 server where one is
 * built. Peak resident size is that of the whole process, as the kernel counts it.
 */
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { HeadObjectCommand } from '@aws-sdk/client-s3';
import { parseStorageLocation } from '../../crds/storageLocation.ts';
import { LogFollower } from '../../operator/archive/logFollower.ts';
import { Spool } from '../../operator/archive/spool.ts';
import { Stores } from '../../operator/archive/stores.ts';
import { KubeClient } from '../../operator/kube/client.ts';
import { UndiciTransport } from '../../operator/kube/transport.ts';
import { realClock } from '../../operator/runtime/clock.ts';
import { Minio, minioMissing } from './minio.ts';

const megabyte = 1_000_000;
const line = Buffer.from(`2026-01-02T03:04:05.123456789Z ${'x'.repeat(99)}\n`);
const linesOfChunk = 500;
const textOfLine = 100;

/** Streams so many megabytes of text, as fast as they are read. */
function serve(megabytes: number): void {
  const chunk = Buffer.concat(Array.from({ length: linesOfChunk }, () => line));
  const server = createServer((_request, response) => {
    void (async () => {
      for (let sent = 0; sent < megabytes * megabyte; sent += linesOfChunk * textOfLine) {
        if (!response.write(chunk)) await once(response, 'drain');
      }
      response.end();
    })();
  }).listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
}

interface Figures {
  readonly followSeconds: number;
  readonly uploadSeconds: number;
  readonly peakMegabytes: number;
  readonly idleMegabytes: number;
}

const seconds = (fromMs: number): number => Math.round((performance.now() - fromMs) / 100) / 10;

/** In a process of its own: follow, upload, report. */
async function keep(port: string, location: string, endpoint: string | undefined): Promise<void> {
  const spoolDir = await mkdtemp(path.join(tmpdir(), 'prow-bench-'));
  const access = { origin: `http://127.0.0.1:${port}`, basePath: '', headers: {}, tls: {} };
  const client = new KubeClient({ transport: new UndiciTransport({ access: () => Promise.resolve(access) }) });
  const stores = new Stores(() => ({ forcePathStyle: true, ...(endpoint === undefined ? {} : { endpoint }) }));
  const store = await stores.get(parseStorageLocation(location));
  const spool = new Spool(
    () => spoolDir,
    () => ({ logBytes: 8e9, totalBytes: 16e9 }),
  );
  const idle = process.memoryUsage.rss();
  const startMs = performance.now();
  const follower = new LogFollower({
    pod: { namespace: 'a', name: 'b' },
    container: 'test',
    log: spool.create(),
    stage: () => 'ended',
    client: () => client,
    lanes: { tryRunning: () => undefined, ended: () => Promise.resolve(() => undefined) },
    clock: realClock,
  });
  await follower.done;
  const followSeconds = seconds(startMs);
  const uploadMs = performance.now();
  await store.upload('big/build-log.txt', follower.log.source(), { contentType: 'text/plain', signal: new AbortController().signal });
  const figures: Figures = {
    followSeconds,
    uploadSeconds: seconds(uploadMs),
    peakMegabytes: Math.round((process.resourceUsage().maxRSS * 1024) / megabyte),
    idleMegabytes: Math.round(idle / megabyte),
  };
  await spool.close();
  await rm(spoolDir, { recursive: true, force: true });
  await client.close();
  await stores.close();
  process.stdout.write(JSON.stringify(figures));
}

async function measure(port: number, ...args: readonly string[]): Promise<Figures> {
  const child = spawn(process.execPath, [import.meta.filename, 'keep', String(port), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  return JSON.parse(await text(child.stdout)) as Figures;
}

const say = (what: string, figures: Figures): void =>
  void process.stdout.write(
    `${what}: followed in ${figures.followSeconds} s, written in ${figures.uploadSeconds} s, peak memory ${figures.peakMegabytes} MB (idle ${figures.idleMegabytes} MB)\n`,
  );

async function bench(megabytes: number): Promise<void> {
  const kubelet = fork(import.meta.filename, ['serve', String(megabytes)]);
  const [port] = (await once(kubelet, 'message')) as [number];
  const dir = await mkdtemp(path.join(tmpdir(), 'prow-bench-results-'));
  try {
    say(`${megabytes} MB to a directory`, await measure(port, `file://${dir}`));
    const { size } = await stat(path.join(dir, 'big', 'build-log.txt'));
    if (size !== megabytes * megabyte) throw new Error(`the object has ${size} bytes`);
    if (minioMissing() === undefined) await benchS3(port, megabytes);
  } finally {
    kubelet.kill();
    await rm(dir, { recursive: true, force: true });
  }
}

async function benchS3(port: number, megabytes: number): Promise<void> {
  Object.assign(process.env, Minio.credentials);
  const minio = await Minio.start('results');
  try {
    say(`${megabytes} MB to S3`, await measure(port, 's3://results', minio.endpoint));
    const head = await minio.client.send(new HeadObjectCommand({ Bucket: 'results', Key: 'big/build-log.txt' }));
    if (head.ContentLength !== megabytes * megabyte) throw new Error(`the object has ${head.ContentLength ?? 0} bytes`);
  } finally {
    await minio.stop();
  }
}

const [mode = '1000', first = '', second = '', third] = process.argv.slice(2);
if (mode === 'serve') serve(Number(first));
else if (mode === 'keep') await keep(first, second, third);
else await bench(Number(mode));
