/** What the API server itself has counted: requests that it answered well, by what was done to what. Independent of what any client says. */
import type { KubeClient } from '../../../operator/kube/client.ts';
import { readSamples, type Counts, type Sample } from './prometheusText.ts';

const family = 'apiserver_request_total';
const writeVerbs: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'APPLY', 'DELETE', 'DELETECOLLECTION']);

/** Successful writes so far, such as `PATCH prowjobs/status`. */
export const writesSoFar = async (client: KubeClient): Promise<Counts> =>
  count(await samples(client), ({ verb, code }) => writeVerbs.has(verb) && code.startsWith('2'));

/** Requests of any kind and outcome so far, without watches, which count when they end. */
export const requestsSoFar = async (client: KubeClient): Promise<Counts> => count(await samples(client), ({ verb }) => verb !== 'WATCH');

const samples = async (client: KubeClient): Promise<readonly Sample[]> => readSamples(await client.text('/metrics'), new Set([family]));

interface Request {
  readonly verb: string;
  readonly code: string;
}

function count(all: readonly Sample[], counts: (request: Request) => boolean): Counts {
  const sums = new Map<string, number>();
  for (const { labels, value } of all) {
    const get = (name: string): string => labels.get(name) ?? '';
    if (!counts({ verb: get('verb'), code: get('code') })) continue;
    const key = `${get('verb')} ${get('resource')}${get('subresource') === '' ? '' : '/'}${get('subresource')}`;
    sums.set(key, (sums.get(key) ?? 0) + value);
  }
  return sums;
}
