/**
 * The connection to one build cluster: its own pool, its own cache of pods, its own breaker, and a loop that finds out whether the
 * cluster can be used. It is usable only after the rights were checked and the cache has caught up; from the moment it is not, nothing
 * is sent there and nothing is concluded from the cache until both have been done again. It comes back by itself.
 */
import { pods, type Pod } from '../kube/builtin.ts';
import { KubeClient } from '../kube/client.ts';
import { ApiError, isForbidden } from '../kube/errors.ts';
import type { ClusterAccess } from '../kube/kubeConfig.ts';
import { UndiciTransport, type AccessSource, type HttpRequest, type Transport, type TransportOptions } from '../kube/transport.ts';
import type { Clock } from '../runtime/clock.ts';
import { messageOf } from '../runtime/errors.ts';
import { Informer } from '../runtime/informer.ts';
import type { Logger } from '../runtime/logger.ts';
import { ObjectWriter } from '../runtime/objectWriter.ts';
import type { ReflectorMetrics } from '../runtime/reflector.ts';
import type { FailureCause } from '../runtime/reflectorState.ts';
import type { Indexers } from '../runtime/storeIndexes.ts';
import type { Store } from '../runtime/store.ts';
import { Breaker, type BreakerState } from './breaker.ts';
import { CallBudget, type SharedBudget } from './callBudget.ts';
import { CallGate, ReportingTransport } from './callGate.ts';
import type { PodAccess } from './clusters.ts';
import { failureOfAnswer, failureOfError, type CallFailure, type ClusterProblem } from './errors.ts';
import { Nudge } from './nudge.ts';
import { quietLogger } from './quietLogger.ts';
import { mayWe, selfCheck, type Findings } from './selfCheck.ts';

export interface ConnectionDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Throws when this process may not write. */
  readonly beforeWrite?: () => void;
  readonly shared: SharedBudget;
  /** Calls to this cluster at once. */
  readonly calls: number;
  readonly callTimeoutMs: number;
  readonly podSelector: string;
  readonly keepPod?: (pod: Pod) => boolean;
  readonly podIndexers: Indexers<Pod>;
  readonly changed: () => void;
  readonly callFailed: (problem: ClusterProblem) => void;
  /** Default: a pool of its own. */
  readonly connect?: (source: AccessSource, options: TransportOptions) => Transport;
  /** In [0, 1). Default Math.random. */
  readonly random?: () => number;
}

/** connecting: not looked at yet, or not since it was asked to look again. */
export type ConnectionState = 'connecting' | 'ready' | 'unavailable';

export interface Health {
  readonly state: ConnectionState;
  readonly reason: 'Connecting' | 'Connected' | ClusterProblem;
  /** The same text for as long as the reason stays. */
  readonly message: string;
  readonly server: string;
  readonly breaker: BreakerState;
  /** Calls in a row that have failed. */
  readonly failures: number;
  readonly callsUnderWay: number;
  /** Wall time. */
  readonly lastContactMs?: number;
  readonly version?: string;
  readonly clusterUID?: string;
  /** Rights we lack and can do without. */
  readonly limited: readonly string[];
}

/** Silence after which the cluster is asked whether it is there. Bookmarks come about once a minute. */
const idleMs = 75_000;
const recheckMs = 600_000;
/** A question that was not answered is asked again this much later, until the breaker opens. */
const betweenLooksMs = 1_000;
const firstListMs = 15_000;
/** A watch or a list may fail so often in a row before the cache counts as blind. */
const blindAfter = 3;
/** Sooner than an informer's default: the cluster's own loop waits for it. */
const tuning = { baseMs: 200, maxMs: 5_000, stableMs: 60_000 };

interface Verdict {
  readonly state: ConnectionState;
  readonly reason: Health['reason'];
  readonly message: string;
}

const connecting: Verdict = { state: 'connecting', reason: 'Connecting', message: 'The build cluster is being connected.' };

export class ClusterConnection {
  readonly store: Store<Pod>;
  readonly access: PodAccess;
  readonly #deps: ConnectionDeps;
  readonly #namespace: string | undefined;
  readonly #source: RenewableAccess;
  readonly #transport: Transport;
  /** Says nothing to the breaker: for questions whose refusal means nothing. */
  readonly #plain: KubeClient;
  readonly #own: KubeClient;
  readonly #breaker: Breaker;
  readonly #budget: CallBudget;
  readonly #informer: Informer<Pod>;
  readonly #wake = new Nudge();
  readonly #verdicts = new Nudge();
  readonly #rights = new Map<string, Promise<boolean>>();
  readonly #stop = new AbortController();
  #verdict: Verdict = connecting;
  #findings: Findings | undefined;
  #checkedMs = -Infinity;
  #contactMs: number | undefined;
  #contactMonotonicMs = -Infinity;
  #lookedMs = -Infinity;
  #blindness = 0;
  /** Ends the wait for a first list that fails again and again. */
  #giveUp: ((failure: CallFailure) => void) | undefined;

  constructor(access: ClusterAccess, namespace: string | undefined, deps: ConnectionDeps) {
    this.#deps = deps;
    this.#namespace = namespace;
    this.#source = new RenewableAccess(access);
    const { clock, logger, random, beforeWrite } = deps;
    const connect = deps.connect ?? ((source: AccessSource, options: TransportOptions) => new UndiciTransport(source, options));
    this.#transport = connect(this.#source, { timeoutMs: 30_000, refreshMs: 0 });
    const reporting = new ReportingTransport(this.#transport, {
      answered: () => this.#answered(),
      failed: (failure) => this.#failed(failure),
    });
    this.#plain = new KubeClient({ transport: this.#transport });
    this.#own = new KubeClient({ transport: reporting });
    this.#breaker = new Breaker({ clock, ...(random === undefined ? {} : { random }) });
    this.#budget = new CallBudget({ clock, limit: deps.calls, shared: deps.shared });
    this.#informer = new Informer<Pod>({
      client: this.#own,
      type: pods,
      clock,
      logger: quietLogger(logger, () => this.#verdict.state === 'unavailable'),
      labelSelector: deps.podSelector,
      indexers: deps.podIndexers,
      ...(deps.keepPod === undefined ? {} : { keep: deps.keepPod }),
      tuning,
      metrics: this.#reflectorHooks(),
      ...(random === undefined ? {} : { random }),
      ...(namespace === undefined ? {} : { namespace }),
    });
    this.store = this.#informer.store;
    const gate = new CallGate(reporting, {
      budget: this.#budget,
      timeoutMs: deps.callTimeoutMs,
      refusal: () => (this.#verdict.state === 'ready' ? undefined : this.#verdict.message),
      missingRight: (request) => this.#missingRight(request),
    });
    const client = new KubeClient({ transport: gate, ...(beforeWrite === undefined ? {} : { beforeWrite }) });
    this.access = { pods: this.store, writer: new ObjectWriter(client, pods, this.store), client, evidence: client };
  }

  get health(): Health {
    const { version, clusterUID, limited = [] } = this.#findings ?? {};
    return {
      ...this.#verdict,
      server: this.#server,
      breaker: this.#breaker.state,
      failures: this.#breaker.failures,
      callsUnderWay: this.#budget.used,
      limited,
      ...(this.#contactMs === undefined ? {} : { lastContactMs: this.#contactMs }),
      ...(version === undefined ? {} : { version }),
      ...(clusterUID === undefined ? {} : { clusterUID }),
    };
  }

  /** Whether other credentials lead to the same address, so that the cache may stay. */
  leadsTo(access: ClusterAccess): boolean {
    const { origin, basePath, proxyUrl } = this.#source.current;
    return origin === access.origin && basePath === access.basePath && proxyUrl === access.proxyUrl;
  }

  /** Other credentials for the same address: they hold from the next call on, and are tried at once if the cluster is not usable. */
  renew(access: ClusterAccess): void {
    this.#source.current = access;
    this.#checkedMs = -Infinity;
    this.#breaker.hurry();
    this.#wake.fire();
  }

  /** Nothing of the cache is believed any more until it has been brought up to date: for a replica that has just won. */
  recheck(): void {
    if (this.#verdict.state !== 'ready') return;
    this.#setVerdict(connecting);
    this.#wake.fire();
  }

  /** Resolves when it is known whether the cluster can be used. Rejects with the signal's reason. */
  async looked(signal: AbortSignal): Promise<void> {
    while (this.#verdict.state === 'connecting') await this.#verdicts.wait(signal);
  }

  /** Runs until the signal aborts or `close`. Never rejects because of the cluster. */
  async run(signal: AbortSignal): Promise<void> {
    const both = AbortSignal.any([signal, this.#stop.signal]);
    await Promise.all([this.#informer.run(both), this.#watchOver(both)]);
    this.#budget.close();
    await this.#transport.close();
  }

  close(): void {
    this.#stop.abort();
  }

  async #watchOver(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const waitMs = this.#untilNextLookMs();
      if (waitMs > 0) await this.#wake.wait(signal, { clock: this.#deps.clock, afterMs: waitMs }).catch(() => undefined);
      else await this.#look(signal);
    }
  }

  #untilNextLookMs(): number {
    if (this.#verdict.state === 'connecting') return 0;
    if (this.#breaker.state === 'open') return this.#breaker.probeInMs;
    const dueMs = Math.min(this.#contactMonotonicMs + idleMs, this.#checkedMs + recheckMs);
    return Math.max(0, Math.max(dueMs, this.#lookedMs + betweenLooksMs) - this.#deps.clock.monotonic());
  }

  async #look(signal: AbortSignal): Promise<void> {
    const isKnown = this.#verdict.state === 'ready';
    const isProbe = this.#breaker.beginProbe();
    this.#lookedMs = this.#deps.clock.monotonic();
    try {
      if (isKnown && this.#deps.clock.monotonic() - this.#checkedMs < recheckMs) await this.#ping(signal);
      else await this.#check(signal, isKnown);
    } catch (error) {
      if (signal.aborted) return;
      const failure = readFailure(error);
      // Someone else may have found out meanwhile, or the ping has reported it: two reports of one failure do no harm.
      if (isKnown) this.#failed(failure);
      else this.#down(failure);
    } finally {
      if (isProbe) this.#breaker.endProbe(this.#verdict.state === 'ready');
    }
  }

  async #ping(signal: AbortSignal): Promise<void> {
    await this.#plain.list(pods, { ...this.#scope(), limit: 1, signal, timeoutMs: this.#deps.callTimeoutMs });
    this.#answered();
  }

  async #check(signal: AbortSignal, isKnown: boolean): Promise<void> {
    const { callTimeoutMs: timeoutMs } = this.#deps;
    const findings = await selfCheck(this.#plain, { ...this.#scope(), signal, timeoutMs });
    if (findings.missing.length > 0) {
      this.#down({ problem: 'Forbidden', detail: findings.missing.join(', '), fatal: true });
      return;
    }
    if (!isKnown) await this.#catchUp(signal);
    this.#findings = { ...this.#findings, ...findings };
    this.#checkedMs = this.#deps.clock.monotonic();
    this.#blindness = 0;
    this.#answered();
    // Before the verdict, so that whoever it wakes finds the breaker closed.
    this.#breaker.endProbe(true);
    this.#setVerdict({ state: 'ready', reason: 'Connected', message: `Runs can go to ${this.#server}.` });
  }

  /** Resolves when the cache is as new as a read that begins now. */
  async #catchUp(signal: AbortSignal): Promise<void> {
    const giveUp = new AbortController();
    const timer = this.#deps.clock.after(firstListMs, () => giveUp.abort(new LookError(timedOut)));
    this.#blindness = 0;
    this.#giveUp = (failure) => giveUp.abort(new LookError(failure));
    try {
      const limit = AbortSignal.any([signal, giveUp.signal]);
      await this.#informer.synced(limit);
      this.#giveUp = undefined;
      await this.#informer.catchUp(limit);
    } finally {
      timer.cancel();
      this.#giveUp = undefined;
    }
  }

  #answered(): void {
    this.#breaker.succeeded();
    this.#contactMs = this.#deps.clock.now();
    this.#contactMonotonicMs = this.#deps.clock.monotonic();
  }

  #failed(failure: CallFailure): void {
    this.#deps.callFailed(failure.problem);
    if (this.#verdict.state === 'ready' && this.#breaker.failed(failure.fatal)) this.#down(failure);
  }

  #down(failure: CallFailure): void {
    this.#breaker.failed(true);
    // The first words stay while the reason does: they are in the status of every run that waits.
    if (this.#verdict.reason !== failure.problem || failure.problem === 'Forbidden')
      this.#setVerdict({ state: 'unavailable', reason: failure.problem, message: this.#wordsFor(failure) });
    this.#wake.fire();
  }

  #setVerdict(verdict: Verdict): void {
    const before = this.#verdict;
    this.#verdict = verdict;
    this.#verdicts.fire();
    if (before.state === verdict.state && before.reason === verdict.reason && before.message === verdict.message) return;
    const fields = { reason: verdict.reason, server: this.#server };
    if (verdict.state === 'unavailable') this.#deps.logger.warn(verdict.message, fields);
    else if (verdict.state === 'ready') this.#deps.logger.info('The build cluster can be used', fields);
    this.#deps.changed();
  }

  #wordsFor({ problem, detail }: CallFailure): string {
    const server = this.#server;
    switch (problem) {
      case 'Unreachable':
        return `${server} cannot be reached: ${detail}.`;
      case 'TimedOut':
        return `${server} does not answer in time.`;
      case 'Unauthorized':
        return `${server} does not accept the credentials of the kubeconfig (401).`;
      case 'Forbidden':
        return `The credentials of the kubeconfig lack rights in ${this.#place}: ${detail === '' ? 'list pods, watch pods' : detail}.`;
      case 'Malformed':
        return `${server} does not answer as a Kubernetes API does.`;
      case 'ServerError':
        return `${server} answers with errors (${detail}).`;
    }
  }

  /** After a refused write: is it the right that is missing, and not something about the object? */
  async #missingRight({ method, path }: HttpRequest): Promise<string | undefined> {
    const verb = { POST: 'create', DELETE: 'delete', PATCH: undefined, PUT: undefined, GET: undefined }[method];
    const namespace = /^\/api\/v1\/namespaces\/([^/]+)\/pods/.exec(path)?.[1];
    if (verb === undefined || namespace === undefined) return undefined;
    const key = `${verb} ${namespace}`;
    let asked = this.#rights.get(key);
    if (asked === undefined) {
      asked = this.#has(verb, namespace);
      this.#rights.set(key, asked);
      void asked.finally(() => this.#deps.clock.after(5_000, () => this.#rights.delete(key)));
    }
    if (await asked) return undefined;
    this.#down({ problem: 'Forbidden', detail: `${verb} pods`, fatal: true });
    return this.#verdict.message;
  }

  /** A cluster that does not tell is believed to mean the object, unless it forbids even to look at pods. Never rejects. */
  async #has(verb: string, namespace: string): Promise<boolean> {
    const limits = { namespace, signal: this.#stop.signal, timeoutMs: this.#deps.callTimeoutMs };
    try {
      const told = await mayWe(this.#plain, { verb }, limits);
      if (told === undefined) await this.#plain.list(pods, { ...limits, limit: 1 });
      return told ?? true;
    } catch (error) {
      return !isForbidden(error);
    }
  }

  /** What the cache's own loop meets: lists and watches that fail again and again leave it blind, whatever other calls bring. */
  #reflectorHooks(): ReflectorMetrics {
    const seen = (): void => {
      this.#blindness = 0;
      this.#answered();
    };
    const none = (): undefined => undefined;
    return {
      listed: seen,
      event: seen,
      watchStarted: none,
      watchEnded: none,
      resourceVersion: none,
      handlerFailed: none,
      failed: (cause) => {
        const failure = blinding.get(cause);
        if (failure === undefined) return;
        this.#blindness += 1;
        if (this.#blindness < blindAfter) return;
        if (this.#verdict.state === 'ready') this.#down(failure);
        else this.#giveUp?.(failure);
      },
    };
  }

  #scope(): { readonly namespace?: string } {
    return this.#namespace === undefined ? {} : { namespace: this.#namespace };
  }

  get #server(): string {
    const { origin, basePath } = this.#source.current;
    return `${origin}${basePath}`;
  }

  get #place(): string {
    return this.#namespace === undefined ? 'all namespaces' : `namespace ${this.#namespace}`;
  }
}

const unreachable: CallFailure = { problem: 'Unreachable', detail: 'the watch of its pods breaks again and again', fatal: false };
const timedOut: CallFailure = { problem: 'TimedOut', detail: '', fatal: false };
const malformed: CallFailure = { problem: 'Malformed', detail: '', fatal: false };
const serverError: CallFailure = { problem: 'ServerError', detail: 'watching its pods fails', fatal: false };

/** Causes that leave the cache blind. A watch that ends in order, or a version that is too old, does not. */
const blinding: ReadonlyMap<FailureCause, CallFailure> = new Map([
  ['connect', unreachable],
  ['reset', unreachable],
  ['timeout', timedOut],
  ['malformed', malformed],
  ['forbidden', { problem: 'Forbidden', detail: '', fatal: true }],
  ['missing', malformed],
  ['throttled', serverError],
  ['server', serverError],
]);

function readFailure(error: unknown): CallFailure {
  if (error instanceof LookError) return error.failure;
  if (error instanceof ApiError) {
    const known = failureOfAnswer({ method: 'GET', path: '/api/v1/pods' }, error.code);
    return known ?? { ...serverError, detail: String(error.code) };
  }
  // A certificate or key that OpenSSL cannot read comes as an error of its own kind.
  return failureOfError(error) ?? { problem: 'Unreachable', detail: messageOf(error).slice(0, 200), fatal: false };
}

/** Why a look at the cluster was cut short. */
class LookError extends Error {
  readonly failure: CallFailure;

  constructor(failure: CallFailure) {
    super(failure.problem);
    this.failure = failure;
  }
}

/** Credentials that can be exchanged while connections are open. */
class RenewableAccess implements AccessSource {
  current: ClusterAccess;

  constructor(access: ClusterAccess) {
    this.current = access;
  }

  access(): Promise<ClusterAccess> {
    return Promise.resolve(this.current);
  }
}
