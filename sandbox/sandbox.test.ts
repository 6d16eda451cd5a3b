/** The server as a client meets it: over HTTPS, with its CA and token. What Kubernetes itself promises is in e2e/conformance. */
import { existsSync } from 'node:fs';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startSandbox } from './sandbox.ts';
import type { Sandbox } from './sandbox.ts';

let sandbox: Sandbox;
let agent: Agent;

beforeAll(async () => {
  sandbox = await startSandbox({ kubelet: false, bookmarkIntervalMs: 20 });
  agent = new Agent({ connect: { ca: sandbox.caPem } });
});

afterAll(async () => {
  await agent.destroy();
  await sandbox.close();
});

/** The fields that these tests look at. */
interface Body {
  readonly kind?: string;
  readonly reason?: string;
  readonly message?: string;
  /** The whole answer where it is no JSON. */
  readonly text?: string;
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
}

interface WatchLine {
  readonly type: string;
  readonly object: Body;
}

interface Answer {
  readonly code: number;
  readonly body: Body;
}

async function call(
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const answer = await request(sandbox.url + path, {
    method,
    dispatcher: agent,
    headers: { authorization: `Bearer ${sandbox.token}`, 'content-type': 'application/json', ...headers },
    body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await answer.body.text();
  return {
    code: answer.statusCode,
    body: text.startsWith('{') ? (JSON.parse(text) as Body) : { text, metadata: { name: '', resourceVersion: '' } },
  };
}

const configMaps = '/api/v1/namespaces/default/configmaps';
const make = (name: string, data: Record<string, string> = {}, labels: Record<string, string> = {}) =>
  call('POST', configMaps, { metadata: { name, labels }, data });

/** Opens a watch; `until` reads events up to and including the first that is wanted. */
async function openWatch(query: string) {
  const answer = await request(`${sandbox.url}${configMaps}?watch=true&${query}`, {
    dispatcher: agent,
    headers: { authorization: `Bearer ${sandbox.token}` },
  });
  const lines = (async function* () {
    let rest = '';
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      const parts = (rest + chunk.toString()).split('\n');
      rest = parts.pop() ?? '';
      for (const part of parts) yield JSON.parse(part) as WatchLine;
    }
  })();
  return {
    async until(wanted: (event: WatchLine) => boolean) {
      const seen: WatchLine[] = [];
      for (;;) {
        const { value, done } = await lines.next();
        if (done === true) return seen;
        seen.push(value);
        if (wanted(value)) return seen;
      }
    },
    end: () => answer.body.destroy(),
  };
}

describe('access', () => {
  it.each([
    ['no token', ''],
    ['a wrong token', 'Bearer wrong'],
    ['a token of the right length', 'x'],
  ])('%s is 401 with a Status', async (_, given) => {
    const authorization = given === 'x' ? `Bearer ${'x'.repeat(sandbox.token.length)}` : given;
    const { code, body } = await call('GET', '/api/v1/namespaces', undefined, { authorization });
    expect([code, body.kind, body.reason]).toEqual([401, 'Status', 'Unauthorized']);
  });

  it('a body beyond 3 MiB is 413', async () => {
    const { code, body } = await make('big', { a: 'x'.repeat(3 * 1024 * 1024 + 1) });
    expect([code, body.reason]).toEqual([413, 'RequestEntityTooLarge']);
  });

  it('an object beyond 1.5 MiB is refused as etcd would', async () => {
    const note = 'x'.repeat(1.6 * 1024 * 1024);
    const { code, body } = await call('POST', '/apis/scheduling.k8s.io/v1/priorityclasses', {
      metadata: { name: 'big' },
      value: 1,
      description: note,
    });
    expect([code, body.message]).toEqual([500, 'etcdserver: request is too large']);
  });

  it('a path that cannot be decoded is 400, not a crash', async () => {
    expect((await call('GET', '/api/v1/namespaces/%zz')).code).toBe(400);
  });
});

describe('watch', () => {
  it('turns a change of labels into DELETED for a selector that no longer matches, with the last matching state', async () => {
    const { body } = await make('mover', {}, { app: 'a' });
    const watch = await openWatch(`labelSelector=app%3Da&resourceVersion=${body.metadata.resourceVersion}`);
    const moved = await call(
      'PATCH',
      `${configMaps}/mover`,
      { metadata: { labels: { app: 'b' } } },
      { 'content-type': 'application/merge-patch+json' },
    );
    const [event] = await watch.until(() => true);
    expect(event).toMatchObject({
      type: 'DELETED',
      object: { metadata: { labels: { app: 'a' }, resourceVersion: moved.body.metadata.resourceVersion } },
    });
    watch.end();
  });

  it('sends bookmarks that move on although nothing here changes', async () => {
    const { body } = await make('still');
    const watch = await openWatch(
      `allowWatchBookmarks=true&resourceVersion=${body.metadata.resourceVersion}&fieldSelector=metadata.name%3Dnobody`,
    );
    await make('elsewhere');
    const events = await watch.until(({ object }) => Number(object.metadata.resourceVersion) > Number(body.metadata.resourceVersion));
    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(['BOOKMARK']));
    watch.end();
  });

  it('delivers every event to each of twenty watchers, in order', async () => {
    const { body } = await call('GET', configMaps);
    const watches = await Promise.all(Array.from({ length: 20 }, () => openWatch(`resourceVersion=${body.metadata.resourceVersion}`)));
    const count = 100;
    for (let i = 0; i < count; i++) {
      sandbox.api.create(
        { group: '', version: 'v1', plural: 'configmaps', kind: 'ConfigMap', namespaced: true },
        { metadata: { name: `burst-${i}`, namespace: 'default' } },
      );
    }
    const wanted = Array.from({ length: count }, (_, i) => `burst-${i}`);
    for (const watch of watches) {
      const events = await watch.until(({ object }) => object.metadata.name === `burst-${count - 1}`);
      expect(events.map(({ object }) => object.metadata.name)).toEqual(wanted);
      watch.end();
    }
  });
});

describe('counting', () => {
  it('counts writes by the verb, resource and subresource that kube-apiserver uses', async () => {
    await make('counted');
    await call(
      'PATCH',
      `${configMaps}/counted?fieldManager=m`,
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'counted' }, data: { a: '1' } },
      { 'content-type': 'application/apply-patch+yaml' },
    );
    await call('DELETE', `${configMaps}/counted`);
    const { body } = await call('GET', '/metrics');
    const written = (body.text ?? '')
      .split('\n')
      .filter((line) => line.includes('resource="configmaps"') && line.includes('subresource=""'));
    for (const verb of ['POST', 'APPLY', 'DELETE']) {
      expect(
        written.some((line) => line.startsWith('apiserver_request_total{code="20') && line.includes(`verb="${verb}"`)),
        verb,
      ).toBe(true);
    }
  });
});

describe('two sandboxes', () => {
  it('have nothing in common, and close() ends watches and removes the directory', async () => {
    const other = await startSandbox({ kubelet: false });
    const dispatcher = new Agent({ connect: { ca: other.caPem } });
    const headers = { authorization: `Bearer ${other.token}` };
    const watch = await request(`${other.url}/api/v1/namespaces?watch=true`, { dispatcher, headers });
    await make('here-only');
    const list = await request(`${other.url}${configMaps}`, { dispatcher, headers });
    expect(await list.body.text()).not.toContain('here-only');
    const ended = watch.body.text();
    await other.close();
    expect(await ended).toContain('"kube-system"');
    expect(existsSync(other.kubeconfigPath)).toBe(false);
    await dispatcher.destroy();
  });
});
