/** Asks a program of the cluster whether it is ready. */
import { once } from 'node:events';
import { get as getPlain } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { get as getSecure } from 'node:https';

const patienceMs = 5_000;

/**
 * Whether a GET of the address is answered with 200. Certificates are not checked: some of the programs sign their own, and the question
 * is only whether what was just started on this machine is ready. Throws when nothing answers.
 */
export async function answers(url: string): Promise<boolean> {
  const options = { agent: false, timeout: patienceMs, signal: AbortSignal.timeout(patienceMs) };
  const request = url.startsWith('https:') ? getSecure(url, { ...options, rejectUnauthorized: false }) : getPlain(url, options);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  response.resume();
  return response.statusCode === 200;
}
