/** An API server in memory that answers what a connection to a build cluster asks, or fails as it is told to. For tests. */
import type { Pod } from '../../kube/builtin.ts';
import { TransportError } from '../../kube/errors.ts';
import type { AccessSource, HttpAnswer, HttpRequest, HttpStream, StreamRequest, Transport } from '../../kube/transport.ts';

export type Failing = TransportError | number;

export class FakeApi implements Transport {
  /** "GET /api/v1/…", without the query. */
  readonly asked: string[] = [];
  /** Rights that are denied, as "create pods". */
  readonly denied = new Set<string>();
  readonly pods: Pod[] = [];
  uid = 'cluster-uid';
  /** What is done to a request instead of answering it. */
  fail: (request: HttpRequest) => Failing | undefined = () => undefined;
  /** Tokens that are accepted; empty: all. */
  readonly tokens = new Set<string>();
  isClosed = false;
  readonly #source: AccessSource | undefined;
  #version = 10;
  readonly #watches = new Set<(error: Error) => void>();

  constructor(source?: AccessSource) {
    this.#source = source;
  }

  async call(request: HttpRequest): Promise<HttpAnswer> {
    request.beforeSend?.();
    const body = await this.#admit(request);
    if (body !== undefined) return body;
    const [path = ''] = request.path.split('?');
    if (path === '/version') return answer(200, { gitVersion: 'v1.36.3' });
    if (path.endsWith('/selfsubjectaccessreviews')) return answer(201, this.#review(request.body ?? ''));
    if (path === '/api/v1/namespaces/kube-system')
      return answer(200, { kind: 'Namespace', metadata: { name: 'kube-system', uid: this.uid } });
    if (request.method === 'POST') return answer(201, this.#create(JSON.parse(request.body ?? '') as Pod));
    return answer(200, { kind: 'PodList', metadata: { resourceVersion: String(this.#version) }, items: this.pods });
  }

  async open(request: StreamRequest): Promise<HttpStream> {
    const refused = await this.#admit(request);
    const chunks = refused === undefined ? this.#watch(request) : textOf(refused.body);
    return { status: refused?.status ?? 200, headers: {}, chunks, text: () => Promise.resolve(refused?.body ?? '') };
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }

  /** Breaks every watch. */
  cut(): void {
    for (const end of this.#watches) end(new TransportError('reset', 'cut'));
  }

  async #admit(request: HttpRequest): Promise<HttpAnswer | undefined> {
    this.asked.push(`${request.method} ${request.path.split('?')[0] ?? ''}`);
    const failing = this.fail(request);
    if (failing instanceof TransportError) throw failing;
    if (failing !== undefined) return answer(failing, { kind: 'Status', code: failing, message: 'as told' });
    const authorization = (await this.#source?.access())?.headers.authorization ?? '';
    if (this.tokens.size > 0 && !this.tokens.has(authorization)) return answer(401, { kind: 'Status', code: 401, reason: 'Unauthorized' });
    return undefined;
  }

  #review(body: string): object {
    const { verb, subresource } = (
      JSON.parse(body) as { readonly spec: { readonly resourceAttributes: { readonly verb: string; readonly subresource?: string } } }
    ).spec.resourceAttributes;
    const right = `${verb} pods${subresource === undefined ? '' : `/${subresource}`}`;
    return { kind: 'SelfSubjectAccessReview', status: { allowed: !this.denied.has(right) } };
  }

  #create(pod: Pod): Pod {
    this.#version += 1;
    const created = {
      ...pod,
      kind: 'Pod',
      metadata: { ...pod.metadata, uid: `uid-${this.#version}`, resourceVersion: String(this.#version) },
    };
    this.pods.push(created);
    return created;
  }

  async *#watch({ signal }: StreamRequest): AsyncGenerator<Uint8Array, void> {
    const ended = Promise.withResolvers<never>();
    const onAbort = (): void => ended.reject(signal?.reason as Error);
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#watches.add(ended.reject);
    try {
      yield new Uint8Array();
      await ended.promise;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#watches.delete(ended.reject);
    }
  }
}

const answer = (status: number, body: object): HttpAnswer => ({ status, headers: {}, body: JSON.stringify(body) });

async function* textOf(text: string): AsyncGenerator<Uint8Array, void> {
  yield await Promise.resolve(new TextEncoder().encode(text));
}
