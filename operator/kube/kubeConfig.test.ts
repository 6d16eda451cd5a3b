import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CoreV1Api } from '@kubernetes/client-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAuthority } from '../../sandbox/tls.ts';
import { PooledKubeConfig } from './kubeConfig.ts';
import { FakeServer, reply } from './testing/fakeServer.ts';
import { UndiciTransport } from './transport.ts';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kubeconfig-'));
});

afterEach(() => rm(dir, { recursive: true }));

const base64 = (text: string): string => Buffer.from(text).toString('base64');

interface Parts {
  readonly cluster?: object;
  readonly user?: object;
  readonly context?: object;
}

/** A kubeconfig with one of each; JSON is YAML. */
const aConfig = ({ cluster, user, context }: Parts = {}): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'main',
    clusters: [{ name: 'c', cluster: { server: 'https://127.0.0.1:6443', ...cluster } }],
    users: [{ name: 'u', user: { ...user } }],
    contexts: [
      { name: 'main', context: { cluster: 'c', user: 'u', namespace: 'ci', ...context } },
      { name: 'other', context: { cluster: 'c', user: 'u' } },
    ],
  });

async function load(parts: Parts = {}, context?: string): Promise<PooledKubeConfig> {
  const path = join(dir, 'config');
  await writeFile(path, aConfig(parts));
  return PooledKubeConfig.load({ path, ...(context === undefined ? {} : { context }) });
}

describe('access', () => {
  const rows: readonly { name: string; parts: Parts; want: object }[] = [
    { name: 'the address', parts: {}, want: { origin: 'https://127.0.0.1:6443', basePath: '', headers: {}, tls: {} } },
    {
      name: 'a prefix',
      parts: { cluster: { server: 'https://rancher/k8s/clusters/c-1/' } },
      want: { origin: 'https://rancher', basePath: '/k8s/clusters/c-1' },
    },
    { name: 'plain HTTP', parts: { cluster: { server: 'http://127.0.0.1:8001' } }, want: { origin: 'http://127.0.0.1:8001' } },
    { name: 'a token', parts: { user: { token: 't\n' } }, want: { headers: { authorization: 'Bearer t' } } },
    {
      name: 'a password',
      parts: { user: { username: 'u', password: 'p' } },
      want: { headers: { authorization: `Basic ${base64('u:p')}` } },
    },
    { name: 'impersonation', parts: { user: { as: 'jane' } }, want: { headers: { 'impersonate-user': 'jane' } } },
    { name: 'a CA', parts: { cluster: { 'certificate-authority-data': base64('CA') } }, want: { tls: { ca: 'CA' } } },
    {
      name: 'a client certificate',
      parts: { user: { 'client-certificate-data': base64('CERT'), 'client-key-data': base64('KEY') } },
      want: { tls: { cert: 'CERT', key: 'KEY' } },
    },
    {
      name: 'TLS settings',
      parts: { cluster: { 'insecure-skip-tls-verify': true, 'tls-server-name': 'kube', 'proxy-url': 'http://proxy' } },
      want: { tls: { rejectUnauthorized: false, servername: 'kube' }, proxyUrl: 'http://proxy' },
    },
    {
      name: 'a CA without a user',
      parts: { cluster: { 'certificate-authority-data': base64('CA') }, context: { user: '' } },
      want: { tls: { ca: 'CA' } },
    },
    {
      name: 'an exec plugin',
      parts: {
        user: {
          exec: {
            apiVersion: 'client.authentication.k8s.io/v1',
            command: process.execPath,
            args: ['-e', 'console.log(JSON.stringify({status:{token:"from-exec"}}))'],
          },
        },
      },
      want: { headers: { authorization: 'Bearer from-exec' } },
    },
  ];

  it.each(rows)('carries $name', async ({ parts, want }) => {
    expect(await (await load(parts)).access()).toMatchObject(want);
  });

  it('reads a CA file and a token file again each time', async () => {
    await writeFile(join(dir, 'ca.crt'), 'CA1');
    await writeFile(join(dir, 'token'), 'T1\n');
    const config = await load({
      cluster: { 'certificate-authority': 'ca.crt' },
      user: { 'auth-provider': { name: 'tokenFile', config: { tokenFile: join(dir, 'token') } } },
    });
    expect(await config.access()).toMatchObject({ headers: { authorization: 'Bearer T1' }, tls: { ca: 'CA1' } });
    await writeFile(join(dir, 'ca.crt'), 'CA2');
    await writeFile(join(dir, 'token'), 'T2');
    expect(await config.access()).toMatchObject({ headers: { authorization: 'Bearer T2' }, tls: { ca: 'CA2' } });
  });
});

describe('load', () => {
  it('takes the current context or the one that is named', async () => {
    expect((await load()).namespace).toBe('ci');
    expect((await load({}, 'other')).namespace).toBeUndefined();
  });

  it.each([
    { name: 'an unknown context', make: () => load({}, 'prod'), message: /config: no context "prod"; there is "main", "other"/ },
    { name: 'no such file', make: () => PooledKubeConfig.load({ path: '/nowhere/config' }), message: /nowhere\/config: ENOENT/ },
    { name: 'a context without its cluster', make: () => load({ context: { cluster: 'x' } }), message: /context "main" names no cluster/ },
    {
      name: 'a server that is no URL',
      make: () => load({ cluster: { server: 'my-host' } }),
      message: /cluster "c": server: not a URL: "my-host"/,
    },
    { name: 'a server of another scheme', make: () => load({ cluster: { server: 'ftp://x' } }), message: /must start with https/ },
  ])('refuses $name', async ({ make, message }) => {
    const made = (async () => make())();
    await expect(made).rejects.toThrow(message);
    await expect(made).rejects.toMatchObject({ name: 'KubeConfigError', code: 'KUBECONFIG_INVALID' });
  });
});

describe('fromUntrustedText', () => {
  it('takes what carries its own secrets', async () => {
    const config = PooledKubeConfig.fromUntrustedText(
      aConfig({ cluster: { 'certificate-authority-data': base64('CA') }, user: { token: 't' } }),
      'other',
    );
    expect(await config.access()).toMatchObject({ headers: { authorization: 'Bearer t' }, tls: { ca: 'CA' } });
  });

  it.each([
    { field: 'clusters[0].cluster.certificate-authority', parts: { cluster: { 'certificate-authority': '/etc/passwd' } } },
    { field: 'users[0].user.client-certificate', parts: { user: { 'client-certificate': '/x' } } },
    { field: 'users[0].user.client-key', parts: { user: { 'client-key': '/x' } } },
    { field: 'users[0].user.tokenFile', parts: { user: { tokenFile: '/x' } } },
    { field: 'users[0].user.token-file', parts: { user: { 'token-file': '/var/run/secrets/token' } } },
    { field: 'users[0].user.exec', parts: { user: { exec: { command: 'sh' } } } },
    { field: 'users[0].user.auth-provider', parts: { user: { 'auth-provider': { name: 'gcp' } } } },
  ])('refuses $field, however it is spelled', ({ field, parts }) => {
    expect(() => PooledKubeConfig.fromUntrustedText(aConfig(parts))).toThrow(`${field} is not allowed here`);
    const escaped = aConfig(parts).replace('-', '\\u002d');
    expect(() => PooledKubeConfig.fromUntrustedText(escaped)).toThrow(/./);
  });

  it.each([
    { name: 'http', cluster: { server: 'http://127.0.0.1:6443' }, message: 'cluster "c": server: must start with https:// here' },
    {
      name: 'a server that need not prove who it is',
      cluster: { 'insecure-skip-tls-verify': true },
      message: 'cluster "c": insecure-skip-tls-verify is not allowed here: give the CA instead',
    },
  ])('refuses $name', ({ cluster, message }) => {
    expect(() => PooledKubeConfig.fromUntrustedText(aConfig({ cluster }))).toThrow(message);
  });

  it('does not quote what it could not read', () => {
    const text = `users:\n- user: {token: s3cr3t, token: s3cr3t\n  x: [`;
    expect(() => PooledKubeConfig.fromUntrustedText(text)).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('s3cr3t') as string }),
    );
    expect(() => PooledKubeConfig.fromUntrustedText(text)).toThrow(/kubeconfig: /);
  });

  it.each([
    { name: 'nothing', text: '', message: 'kubeconfig: it is empty' },
    {
      name: 'more YAML than can be read while others wait',
      text: Array.from({ length: 30_000 }, (_, index) => `k${index}: v`).join('\n'),
      message: 'kubeconfig: it is 283 KiB of YAML, and at most 64 are read: leave only the context that is used, or write JSON',
    },
    {
      name: 'braces without end',
      text: '{'.repeat(700_000),
      message: 'kubeconfig: it is 684 KiB of YAML, and at most 64 are read: leave only the context that is used, or write JSON',
    },
    {
      name: 'lists without end',
      text: `{"clusters": ${'['.repeat(300_000)}${']'.repeat(300_000)}}`,
      message: 'kubeconfig: Maximum call stack size exceeded',
    },
    { name: 'a comment alone', text: '# to come', message: 'kubeconfig: it is empty' },
    { name: 'a token instead of a kubeconfig', text: 's3cr3t', message: 'kubeconfig: it is no mapping with clusters, users and contexts' },
    { name: 'a list', text: '[]', message: 'kubeconfig: it is no mapping with clusters, users and contexts' },
    { name: 'no context', text: 'kind: Config', message: 'kubeconfig: current-context is not set; there is none' },
    {
      name: 'no current context',
      text: JSON.stringify({ ...(JSON.parse(aConfig()) as object), 'current-context': undefined }),
      message: 'kubeconfig: current-context is not set; there is "main", "other"',
    },
  ])('tells a person what is wrong: $name', ({ text, message }) => {
    expect(() => PooledKubeConfig.fromUntrustedText(text)).toThrow(expect.objectContaining({ message }) as Error);
  });

  it.each(['', '[]', 'a: &a [*a, *a]', '{', 'text'])('refuses %j with a KubeConfigError', (text) => {
    expect(() => PooledKubeConfig.fromUntrustedText(text)).toThrow(expect.objectContaining({ name: 'KubeConfigError' }));
  });
});

describe('with client-node', () => {
  it('lets its API classes share our pool instead of building one for each call', async () => {
    const authority = await createAuthority();
    const server = await FakeServer.start((_request, response) => reply(response, { kind: 'PodList', items: [] }), {
      tls: { cert: authority.server.certPem, key: authority.server.keyPem },
    });
    const config = await load({ cluster: { server: server.origin, 'certificate-authority-data': base64(authority.caPem) } });
    const transport = new UndiciTransport(config, { connections: 1 });
    const api = config.makeApiClient(CoreV1Api);
    for (let n = 0; n < 5; n += 1) await api.listPodForAllNamespaces();
    await transport.call({ method: 'GET', path: '/api' });
    expect(server.received).toHaveLength(6);
    expect(server.connections).toBe(1);
    await transport.close();
    await server.close();
  });
});
