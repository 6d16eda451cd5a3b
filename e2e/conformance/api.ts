/**
 * The plainest possible client: one HTTP request, its status, headers and body as they are. The list must see what a server really
 * answers, so nothing here retries, decodes errors or hides a header.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { Target } from './target.ts';

/** Any JSON: what a server answers is judged by the expectations, not by a type. */
export type Loose = ReturnType<typeof JSON.parse>;

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Loose;
  readonly text: string;
}

export interface CallOptions {
  readonly contentType?: string;
  readonly accept?: string;
  /** Instead of the target's own; '' sends none. */
  readonly token?: string;
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export const jsonPatch = 'application/json-patch+json';
export const mergePatch = 'application/merge-patch+json';
export const strategicPatch = 'application/strategic-merge-patch+json';
export const applyPatch = 'application/apply-patch+yaml';

/** A path with its query, encoded. */
export function withQuery(path: string, query: Readonly<Record<string, string | number | boolean>>): string {
  const text = new URLSearchParams(Object.entries(query).map(([name, value]): [string, string] => [name, String(value)])).toString();
  return text === '' ? path : `${path}?${text}`;
}

export class Api {
  readonly #target: Target;
  readonly #agent: Agent;

  constructor(target: Target) {
    this.#target = target;
    const { ca, cert, key } = target;
    this.#agent = new Agent({ connections: 64, connect: { ca, ...(cert === undefined ? {} : { cert, key }) } });
  }

  async call(method: Method, path: string, body?: unknown, options: CallOptions = {}): Promise<Answer> {
    const answer = await request(`${this.#target.url}${path}`, {
      method,
      dispatcher: this.#agent,
      headers: this.#headers(options, body !== undefined),
      body: body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body),
    });
    const text = await answer.body.text();
    return { status: answer.statusCode, headers: answer.headers, text, body: parse(text) };
  }

  readonly get = (path: string, options?: CallOptions): Promise<Answer> => this.call('GET', path, undefined, options);
  readonly post = (path: string, body: unknown, options?: CallOptions): Promise<Answer> => this.call('POST', path, body, options);
  readonly put = (path: string, body: unknown, options?: CallOptions): Promise<Answer> => this.call('PUT', path, body, options);
  readonly delete = (path: string, body?: unknown): Promise<Answer> => this.call('DELETE', path, body);
  readonly patch = (path: string, contentType: string, body: unknown): Promise<Answer> => this.call('PATCH', path, body, { contentType });

  /** Opens a stream of lines (a watch, a followed log). */
  async stream(path: string): Promise<LineStream> {
    const abort = new AbortController();
    const answer = await request(`${this.#target.url}${path}`, {
      dispatcher: this.#agent,
      signal: abort.signal,
      headers: this.#headers({}, false),
    });
    return new LineStream(answer.statusCode, answer.body, abort);
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  #headers({ token, accept, contentType }: CallOptions, hasBody: boolean): Record<string, string> {
    const bearer = token ?? this.#target.token;
    return {
      accept: accept ?? 'application/json',
      ...(hasBody ? { 'content-type': contentType ?? 'application/json' } : {}),
      ...(bearer === undefined || bearer === '' ? {} : { authorization: `Bearer ${bearer}` }),
    };
  }
}

function parse(text: string): Loose {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The lines of an answer that may never end. */
export class LineStream {
  readonly status: number;
  readonly lines: string[] = [];
  /** Resolves when the server has ended the answer; also when close() has. */
  readonly ended: Promise<void>;
  readonly #abort: AbortController;
  #wake: () => void = () => undefined;

  constructor(status: number, body: AsyncIterable<Buffer>, abort: AbortController) {
    this.status = status;
    this.#abort = abort;
    this.ended = this.#read(body);
  }

  /** The events of a watch so far. */
  get events(): Loose[] {
    return this.lines.map((line) => JSON.parse(line));
  }

  /** Resolves with the first event that fits, seen already or still to come. Fails after ten seconds, saying what came instead. */
  async until(what: string, fits: (event: Loose) => boolean): Promise<Loose> {
    return this.#until(what, () => this.events.find(fits));
  }

  async untilLine(what: string, fits: (line: string) => boolean): Promise<string> {
    return this.#until(what, () => this.lines.find(fits));
  }

  close(): void {
    this.#abort.abort();
  }

  async #until<T>(what: string, find: () => T | undefined): Promise<T> {
    const limitReached = { over: false };
    const limit = Promise.race([wait(10_000, undefined, { ref: false }), this.ended]).then(() => (limitReached.over = true));
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (limitReached.over)
        throw new Error(`${what} never came; the stream had: ${this.lines.map((line) => line.slice(0, 200)).join(' | ')}`);
      await Promise.race([limit, new Promise<void>((resolve) => (this.#wake = resolve))]);
    }
  }

  async #read(body: AsyncIterable<Buffer>): Promise<void> {
    let rest = '';
    try {
      for await (const chunk of body) {
        const parts = (rest + chunk.toString('utf8')).split('\n');
        rest = parts.pop() ?? '';
        this.lines.push(...parts.filter((line) => line !== ''));
        this.#wake();
      }
    } catch (error) {
      if (!this.#abort.signal.aborted) throw error;
    }
  }
}
