/** GET …/pods/name/log: reads the options of the query and streams what the kubelet delivers, as far as the client reads it. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Kubelet, LogOptions } from '../kubelet/kubelet.ts';
import type { StoredObject } from '../storage/storage.ts';
import { badRequest } from './failure.ts';
import type { Call } from './call.ts';

function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (!/^\d{1,12}$/.test(text)) throw badRequest(`${name} must be a whole number, not "${text}"`);
  return Number(text);
}

function readOptions(query: URLSearchParams): LogOptions {
  const on = (name: string): boolean => query.get(name) === 'true' || query.get(name) === '1';
  const given = {
    container: query.get('container') ?? undefined,
    sinceTime: query.get('sinceTime') ?? undefined,
    tailLines: wholeNumber(query, 'tailLines'),
    sinceSeconds: wholeNumber(query, 'sinceSeconds'),
    limitBytes: wholeNumber(query, 'limitBytes'),
  };
  if (given.sinceTime !== undefined && Number.isNaN(Date.parse(given.sinceTime))) throw badRequest('sinceTime must be an RFC 3339 time');
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return { ...set, follow: on('follow'), previous: on('previous'), timestamps: on('timestamps') };
}

export async function sendPodLog(kubelet: Kubelet, call: Call, pod: StoredObject): Promise<void> {
  const { response } = call;
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const log = await kubelet.logs(pod, { ...readOptions(call.query), signal: gone.signal });
  response.writeHead(200, { 'content-type': 'text/plain' });
  response.flushHeaders();
  try {
    await pipeline(Readable.from(log, { objectMode: false }), response);
  } catch (error) {
    // Headers are out: all that can be told is that the log is not complete.
    if (!gone.signal.aborted) throw error;
    response.destroy();
  }
}
