import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, stat } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { createServer, get } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { kubeconfigText, writeKubeconfig } from './kubeconfigFile.ts';
import { createAuthority } from './tls.ts';

test.each(['127.0.0.1', 'localhost'])('a client that trusts the CA reaches a server at %s', async (host) => {
  const { caPem, server: pair } = await createAuthority();
  const server = createServer({ cert: pair.certPem, key: pair.keyPem }, (_request, response) => response.end('ok'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const request = get({ host, family: 4, port: (server.address() as AddressInfo).port, ca: caPem, agent: false });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(200);
    await expect(once(get({ host, family: 4, port: (server.address() as AddressInfo).port, agent: false }), 'response')).rejects.toThrow(
      /certificate/,
    );
  } finally {
    server.close();
  }
});

test('the server certificate is a leaf of the CA, for the loopback names only, and two authorities share nothing', async () => {
  const [one, two] = await Promise.all([createAuthority(), createAuthority()]);
  const ca = new X509Certificate(one.caPem);
  const leaf = new X509Certificate(one.server.certPem);
  expect(ca.ca).toBe(true);
  expect(leaf.ca).toBe(false);
  expect(leaf.verify(ca.publicKey)).toBe(true);
  expect(leaf.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect(leaf.checkHost('localhost')).toBe('localhost');
  expect(leaf.checkHost('example.com')).toBeUndefined();
  expect(leaf.verify(new X509Certificate(two.caPem).publicKey)).toBe(false);
  expect(two.caPem).not.toBe(one.caPem);
});

test('the kubeconfig names the server, the CA and the token, and only its owner may read it', async () => {
  const target = { url: 'https://127.0.0.1:6443', caPem: 'PEM', token: 'secret' };
  const directory = await mkdtemp(path.join(tmpdir(), 'kubeconfig-'));
  try {
    const file = path.join(directory, 'deep', 'config');
    await writeKubeconfig(file, { ...target, token: 'old' });
    await writeKubeconfig(file, target);
    expect(await readFile(file, 'utf8')).toBe(kubeconfigText(target));
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readdir(path.dirname(file))).toEqual(['config']);
    expect(parse(kubeconfigText(target))).toMatchObject({
      clusters: [{ cluster: { server: target.url, 'certificate-authority-data': Buffer.from('PEM').toString('base64') } }],
      users: [{ user: { token: 'secret' } }],
      contexts: [{ context: { namespace: 'default' } }],
    });
  } finally {
    await rm(directory, { recursive: true });
  }
});
