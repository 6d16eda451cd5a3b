/**
 * What can go wrong between an operator and an API server, as data. Two groups: what a real API server, its network and what stands between
 * may do, and what only a broken proxy does (silent loss with the stream going on, changes of one object in the wrong order, an answer from
 * the past). An operator has to survive both; it sees the first without help, the second only when it lists anew.
 */
import type { ServerResponse } from 'node:http';

/** What befalls a watch. Events are counted without bookmarks, from the beginning of the stream. */
export type StreamFault =
  /** The server ends it in order after so many events; 0 makes a loop of watches that end at once. */
  | { readonly kind: 'close'; readonly afterEvents: number }
  /** The connection breaks. */
  | { readonly kind: 'cut'; readonly afterEvents: number }
  /** The next events are swallowed, then it ends in order: what a server does to a watcher that is too slow. */
  | { readonly kind: 'lose'; readonly afterEvents: number; readonly events: number }
  /** Half of the next line, then the end. */
  | { readonly kind: 'truncate'; readonly afterEvents: number }
  /** The next line is nonsense; the stream goes on. */
  | { readonly kind: 'garbleLine'; readonly afterEvents: number }
  /** An ERROR event with this code, then the end. */
  | { readonly kind: 'error'; readonly afterEvents: number; readonly code: number }
  /** Half-open: nothing comes any more, and nobody closes it until the proxy is healed. */
  | { readonly kind: 'stall'; readonly afterEvents: number }
  /** Each event comes only when so many later ones have happened: a stale cache. */
  | { readonly kind: 'behind'; readonly events: number }
  /** Each event comes so many times. */
  | { readonly kind: 'duplicate'; readonly times: number }
  /** After every so many events they all come again: objects seem to go back to older versions. */
  | { readonly kind: 'replay'; readonly events: number }
  /** So many events at a time come in another order; those of one object too, unless `keepObjects`. */
  | { readonly kind: 'reorder'; readonly window: number; readonly keepObjects: boolean }
  /** Events vanish and the stream goes on. */
  | { readonly kind: 'drop'; readonly probability: number }
  /** No deletion is told. */
  | { readonly kind: 'dropDeletes' };

export type Fault =
  /** The request is read, then the connection breaks. Nothing was done. */
  | { readonly kind: 'reset' }
  /** Everything was done, then the connection breaks before the answer. */
  | { readonly kind: 'resetAfter' }
  /** The request arrives so much later, and so does its answer. */
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** It is done at once; the answer comes so much later. */
  | { readonly kind: 'slowAnswer'; readonly delayMs: number }
  /** The connection stays open and nothing comes. Nothing was done. It breaks after so much time, or when the proxy is healed. */
  | { readonly kind: 'silence'; readonly forMs?: number }
  /** The same, but everything was done. */
  | { readonly kind: 'silenceAfter'; readonly forMs?: number }
  | { readonly kind: 'status'; readonly code: number; readonly retryAfterSeconds?: number }
  /** Everything was done, and the answer says that it failed: a gateway that lost patience. */
  | { readonly kind: 'statusAfter'; readonly code: number }
  /** 200 and a body that no Kubernetes API sends. */
  | { readonly kind: 'garble' }
  /** Everything was done; half of the answer comes, then the connection breaks. */
  | { readonly kind: 'halfAnswer' }
  /** A list is answered as it was so many answers ago. Needs FaultProxyOptions.keepLists. */
  | { readonly kind: 'staleList'; readonly answersAgo: number }
  /** Only for watches; other requests that match are left alone. */
  | { readonly kind: 'stream'; readonly stream: StreamFault };

export interface Seen {
  readonly method: string;
  readonly url: string;
}

export interface Rule {
  readonly fault: Fault;
  /** Default: every request. */
  readonly matches?: (request: Seen) => boolean;
  /** In [0, 1]. Default 1. */
  readonly probability?: number;
}

export const isWatch = ({ url }: Seen): boolean => url.includes('watch=true');
export const isWrite = ({ method }: Seen): boolean => method !== 'GET';
export const isLease = ({ url }: Seen): boolean => url.includes('/leases');

const reasons: ReadonlyMap<number, string> = new Map([
  [401, 'Unauthorized'],
  [403, 'Forbidden'],
  [409, 'Conflict'],
  [410, 'Expired'],
  [429, 'TooManyRequests'],
  [500, 'InternalError'],
  [503, 'ServiceUnavailable'],
  [504, 'Timeout'],
]);

/** The body of an error as an API server words it. */
export const statusBody = (code: number): Readonly<Record<string, unknown>> => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message: 'injected',
  reason: reasons.get(code),
  code,
});

export function sendStatus(outgoing: ServerResponse, code: number, retryAfterSeconds?: number): void {
  const retry = retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) };
  outgoing.writeHead(code, { 'content-type': 'application/json', ...retry }).end(JSON.stringify(statusBody(code)));
}
