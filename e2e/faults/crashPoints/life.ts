/**
 * All that one operator process can do to the world: its calls, its kept results, its timers. Once it has died nothing of it reaches anybody any more,
 * and nothing that it waits for ever settles. What was under way when it died had been sent, and is carried out.
 */
import type { BlobStore } from '../../../operator/archive/blobStore.ts';
import { TransportError } from '../../../operator/kube/errors.ts';
import type { HttpAnswer, HttpRequest, HttpStream, StreamRequest, Transport } from '../../../operator/kube/transport.ts';
import type { Clock } from '../../../operator/runtime/clock.ts';
import type { Channel, Fate, Ledger } from './ledger.ts';
import { WatchView } from './watchView.ts';

/** What a process waits for when it is dead. */
const forever = <T>(): Promise<T> => new Promise<T>(() => undefined);

class Dead extends Error {}

/** The cluster behind an address. */
export interface Place {
  /** Empty for the operator's own cluster. */
  readonly name: string;
  readonly transport: Transport;
  /** Logs of containers, where somebody plays the kubelet. */
  readonly log?: (request: StreamRequest) => HttpStream | undefined;
  /** Aborts when nobody answers there any more. */
  readonly outage: () => AbortSignal;
}

export class Life {
  readonly clock: Clock;
  readonly #ledger: Ledger;
  readonly #death = new AbortController();
  readonly #stop = new AbortController();
  readonly #views = new Set<WatchView>();
  #underWay = 0;

  constructor(ledger: Ledger, clock: Clock) {
    this.#ledger = ledger;
    this.clock = {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      after: (delayMs, fn) => {
        const timer = clock.after(delayMs, () => (this.isDead ? undefined : fn()));
        const cancel = (): void => timer.cancel();
        this.#death.signal.addEventListener('abort', cancel, { once: true });
        return {
          cancel: () => {
            this.#death.signal.removeEventListener('abort', cancel);
            cancel();
          },
        };
      },
    };
  }

  get isDead(): boolean {
    return this.#death.signal.aborted;
  }

  /** Calls that were sent and not answered, those of a dead process too. */
  get underWay(): number {
    return this.#underWay;
  }

  /** The watches that are open. */
  get views(): Iterable<WatchView> {
    return this.#views;
  }

  /** Runs the process; when it ends by itself, it has died of that. */
  run(work: (stop: AbortSignal) => Promise<unknown>): void {
    void work(this.#stop.signal).then(() => this.die());
  }

  /** Asks it to end in order. */
  stop(): void {
    this.#stop.abort();
  }

  die(): void {
    this.#death.abort(new Dead());
    this.#views.clear();
  }

  /** Its connection to a cluster. */
  wire(find: () => Promise<Place>): Transport {
    return {
      call: (request) => this.#guarded(async () => this.#call(await find(), request)),
      open: (request) => this.#guarded(async () => this.#open(await find(), request)),
      close: () => Promise.resolve(),
    };
  }

  /** Its access to kept results. */
  store(inner: BlobStore): BlobStore {
    const write = <T>(what: string, send: () => Promise<T>): Promise<T> => this.#guarded(() => this.#write('store', what, send));
    return {
      url: inner.url,
      put: (key, ...rest) => write(`put ${plain(key)}`, () => inner.put(key, ...rest)),
      upload: (key, ...rest) => write(`upload ${plain(key)}`, () => inner.upload(key, ...rest)),
      putIf: (key, ...rest) => write(`putIf ${plain(key)}`, () => inner.putIf(key, ...rest)),
      get: (key, signal) => this.#guarded(() => inner.get(key, signal)),
      stat: (key, signal) => this.#guarded(() => inner.stat(key, signal)),
      close: () => inner.close(),
    };
  }

  async #call({ name, transport, outage }: Place, request: HttpRequest): Promise<HttpAnswer> {
    if (outage().aborted) throw unreachable();
    const write = writeOf(request, name);
    if (write === undefined) return transport.call(request);
    const sent: { fate?: Fate } = {};
    const beforeSend = (): void => {
      request.beforeSend?.();
      // A transport may look twice.
      sent.fate ??= this.#begin(write.channel, write.what);
    };
    const answer = await transport.call({ ...request, beforeSend });
    if (sent.fate === 'after') this.die();
    return answer;
  }

  async #open({ transport, log, outage }: Place, request: StreamRequest): Promise<HttpStream> {
    if (outage().aborted) throw unreachable();
    const played = log?.(request);
    if (played !== undefined) return { ...played, chunks: this.#relay(played.chunks) };
    const ends = [this.#death.signal, outage()];
    const signal = AbortSignal.any(request.signal === undefined ? ends : [request.signal, ...ends]);
    const stream = await transport.open({ ...request, signal });
    const view = new WatchView(transport, request.path);
    return { ...stream, chunks: this.#relay(stream.chunks, view) };
  }

  async *#relay(chunks: AsyncIterable<Uint8Array>, view?: WatchView): AsyncGenerator<Uint8Array> {
    if (view !== undefined) this.#views.add(view);
    try {
      for await (const chunk of chunks) {
        if (this.isDead) await forever();
        view?.see(chunk);
        yield chunk;
      }
    } catch (error) {
      if (this.isDead) await forever();
      throw error;
    } finally {
      if (view !== undefined) this.#views.delete(view);
    }
  }

  async #write<T>(channel: Channel, what: string, send: () => Promise<T>): Promise<T> {
    const fate = this.#begin(channel, what);
    const answer = await send();
    if (fate === 'after') this.die();
    return answer;
  }

  #begin(channel: Channel, what: string): Fate {
    if (this.isDead) throw new Dead();
    const fate = this.#ledger.begin(channel, what);
    if (fate === 'before') {
      this.die();
      throw new Dead();
    }
    return fate;
  }

  /** The dead hear of nothing. */
  async #guarded<T>(act: () => Promise<T>): Promise<T> {
    if (this.isDead) return forever();
    // Asked anew each time: it may die meanwhile.
    const hasDied = (): boolean => this.isDead;
    try {
      const answer = await this.#counted(act);
      return hasDied() ? await forever() : answer;
    } catch (error) {
      if (hasDied()) return await forever();
      throw error;
    }
  }

  async #counted<T>(act: () => Promise<T>): Promise<T> {
    this.#underWay += 1;
    try {
      return await act();
    } finally {
      this.#underWay -= 1;
    }
  }
}

const unreachable = (): TransportError => new TransportError('connect', 'nobody listens there');

/** Undefined for what changes nothing: reads, and questions about rights. */
function writeOf({ method, path, body }: HttpRequest, place: string): { readonly channel: Channel; readonly what: string } | undefined {
  if (method === 'GET' || path.includes('/selfsubjectaccessreviews')) return undefined;
  const [target = ''] = path.split('?');
  const object = target.replace(/^\/apis?\/(?:[^/]+\/)?v\d[a-z0-9]*\//, '').replace(/^namespaces\/[^/]+\//, '');
  const at = place === '' ? '' : `${place}: `;
  if (method === 'POST') {
    const { metadata, reason, regarding } = JSON.parse(body ?? '{}') as {
      readonly metadata?: { readonly name?: string };
      readonly reason?: string;
      readonly regarding?: { readonly kind?: string; readonly name?: string };
    };
    if (object === 'events')
      return { channel: 'event', what: `${at}tell ${reason ?? ''} of ${regarding?.kind ?? ''} ${regarding?.name ?? ''}` };
    return { channel: channelOf(object), what: `${at}POST ${object}/${metadata?.name ?? ''}` };
  }
  return { channel: channelOf(object), what: `${at}${method} ${object.startsWith('events/') ? 'events' : object}` };
}

const channelOf = (object: string): Channel => (object.startsWith('leases') ? 'lease' : object.startsWith('events') ? 'event' : 'state');

/** Build ids differ each time. */
const plain = (key: string): string => key.replace(/\d{19}/g, 'BUILD');
