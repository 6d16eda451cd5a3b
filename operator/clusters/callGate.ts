/**
 * The two ways to one build cluster. Reconcilers go through the gate: while the cluster is not usable a call fails before anything is
 * sent, otherwise it has a slot of the budget and a short time. The cluster's own loop goes around the gate. Every answer and every
 * silence on either way is reported.
 */
import { TransportError } from '../kube/errors.ts';
import type { HttpAnswer, HttpRequest, HttpStream, StreamRequest, Transport } from '../kube/transport.ts';
import type { CallBudget } from './callBudget.ts';
import { ClusterUnavailableError, failureOfAnswer, failureOfError, isLog, refuseNonsense, type CallFailure } from './errors.ts';

export interface CallReports {
  /** The cluster answered as a cluster does. */
  answered(): void;
  failed(failure: CallFailure): void;
}

/** Reports how each call ended, and refuses answers that make no sense. */
export class ReportingTransport implements Transport {
  readonly #inner: Transport;
  readonly #reports: CallReports;

  constructor(inner: Transport, reports: CallReports) {
    this.#inner = inner;
    this.#reports = reports;
  }

  async call(request: HttpRequest): Promise<HttpAnswer> {
    return this.#reported(request, async () => {
      const answer = await this.#inner.call(request);
      refuseNonsense(request, answer);
      return answer;
    });
  }

  open(request: StreamRequest): Promise<HttpStream> {
    return this.#reported(request, () => this.#inner.open(request));
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #reported<A extends { readonly status: number }>(request: HttpRequest, send: () => Promise<A>): Promise<A> {
    let answer: A;
    try {
      answer = await send();
    } catch (error) {
      // A log may be silent for long, and it is the kubelet that is.
      const failure = request.signal?.aborted === true || isLog(request.path) ? undefined : failureOfError(error);
      if (failure !== undefined) this.#reports.failed(failure);
      throw error;
    }
    const failure = failureOfAnswer(request, answer.status);
    if (failure === undefined) this.#reports.answered();
    else this.#reports.failed(failure);
    return answer;
  }
}

export interface GateOptions {
  readonly budget: CallBudget;
  readonly timeoutMs: number;
  /** Undefined while the cluster may be used, else why not. */
  readonly refusal: () => string | undefined;
  /**
   * Asked when a write was answered with 403: is the right itself missing, so that the cluster and not the object is at fault?
   * Returns what to say then.
   */
  readonly missingRight: (request: HttpRequest) => Promise<string | undefined>;
}

/** How soon a call that was not sent may be tried again. A change of the cluster wakes earlier. */
const refusedRetryMs = 30_000;
const busyRetryMs = 500;

export class CallGate implements Transport {
  readonly #inner: Transport;
  readonly #options: GateOptions;

  constructor(inner: Transport, options: GateOptions) {
    this.#inner = inner;
    this.#options = options;
  }

  async call(request: HttpRequest): Promise<HttpAnswer> {
    const { budget, timeoutMs, missingRight } = this.#options;
    this.#refuse();
    const leave = await budget.enter();
    if (leave === undefined)
      throw new ClusterUnavailableError('The build cluster answers slowly: no more calls to it at once.', busyRetryMs);
    try {
      // It may have broken down while we waited for the slot.
      this.#refuse();
      const answer = await this.#inner.call({ ...request, timeoutMs: Math.min(request.timeoutMs ?? timeoutMs, timeoutMs) });
      const missing = answer.status === 403 && request.method !== 'GET' ? await missingRight(request) : undefined;
      if (missing !== undefined) throw new ClusterUnavailableError(missing, refusedRetryMs);
      return answer;
    } finally {
      leave();
    }
  }

  /** Streams live long and hold no slot. */
  async open(request: StreamRequest): Promise<HttpStream> {
    this.#refuse();
    return this.#inner.open(request);
  }

  /** The connections belong to the cluster's own loop. */
  close(): Promise<void> {
    return Promise.reject(new TransportError('closed', 'a gate cannot be closed by those who go through it'));
  }

  #refuse(): void {
    const why = this.#options.refusal();
    if (why !== undefined) throw new ClusterUnavailableError(why, refusedRetryMs);
  }
}
