import { afterEach, describe, expect, it } from 'vitest';
import { HealthServer } from './health.ts';
import { silentLogger } from './logger.ts';
import { Metrics } from './metrics.ts';

let server: HealthServer | undefined;
afterEach(() => server?.stop());

async function start(metrics = new Metrics()) {
  server = new HealthServer({ metrics, logger: silentLogger });
  const { url, port, host } = await server.start();
  const get = async (path: string, init?: RequestInit) => {
    const answer = await fetch(url + path, init);
    return { status: answer.status, body: await answer.text(), type: answer.headers.get('content-type') };
  };
  return { get, server, port, host };
}

describe('HealthServer', () => {
  it('listens on a free port of the loopback by default', async () => {
    const { port, host, get } = await start();
    expect([host, port > 0]).toEqual(['127.0.0.1', true]);
    expect(await get('/livez')).toMatchObject({ status: 200, body: 'ok\n' });
    expect((await get('/healthz')).status).toBe(200);
  });

  it('is ready when every check passes, and names each that does not', async () => {
    const t = await start();
    const missing = new Set(['pods', 'things']);
    for (const name of ['pods', 'things'])
      t.server.addReadyCheck(`cache ${name}`, () => (missing.has(name) ? 'not listed yet' : undefined));
    missing.delete('pods');
    expect(await t.get('/readyz')).toMatchObject({ status: 503, body: '[+] cache pods ok\n[-] cache things: not listed yet\nnot ready\n' });
    expect((await t.get('/livez')).status).toBe(200);
    missing.clear();
    expect((await t.get('/readyz')).status).toBe(200);
  });

  it('counts a check that throws as failed', async () => {
    const t = await start();
    t.server.addLiveCheck('disk', () => {
      throw new Error('gone');
    });
    expect(await t.get('/livez')).toMatchObject({ status: 503, body: '[-] disk: gone\nnot ready\n' });
  });

  it('serves the metrics in the exposition format', async () => {
    const metrics = new Metrics();
    metrics.counter({ name: 'x_total', help: 'x' }).inc();
    const { get } = await start(metrics);
    const page = await get('/metrics');
    expect(page).toMatchObject({ status: 200, type: expect.stringContaining('text/plain') });
    expect(page.body).toContain('x_total 1');
  });

  it('shows the other figures, and that one is missing, when a figure cannot be computed', async () => {
    const metrics = new Metrics();
    const remove = metrics.beforeScrape(() => {
      throw new Error('no figure');
    });
    const { get } = await start(metrics);
    expect((await get('/metrics')).status).toBe(200);
    remove();
    expect(await get('/metrics')).toMatchObject({ status: 200, body: expect.stringMatching(/^metrics_collection_failures_total 1$/m) });
  });

  it('refuses other paths and methods', async () => {
    const { get } = await start();
    expect((await get('/')).status).toBe(404);
    expect((await get('/livez', { method: 'POST' })).status).toBe(405);
    expect(await get('/livez', { method: 'HEAD' })).toMatchObject({ status: 200, body: '' });
  });
});
