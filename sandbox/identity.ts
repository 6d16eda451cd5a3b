/**
 * Who a sandbox is to its clients: certificates and the admin token. With a data directory they outlive the process, so that a client that
 * was connected before a restart is at home after it, without reading the kubeconfig again.
 */
import { randomBytes, X509Certificate } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createAuthority } from './tls.ts';
import type { Authority } from './tls.ts';

export interface Identity extends Authority {
  readonly token: string;
}

/** One that has less to live is made anew. */
const shortestLifeMs = 7 * 86_400_000;

const makeIdentity = async (nowMs: number): Promise<Identity> => ({
  ...(await createAuthority(nowMs)),
  token: randomBytes(24).toString('base64url'),
});

/** The identity kept in `<dir>/identity.json`, made there when there is none that can be used; without a directory always a new one. */
export async function openIdentity(dir: string | undefined, nowMs: number): Promise<Identity> {
  if (dir === undefined) return makeIdentity(nowMs);
  const file = path.join(dir, 'identity.json');
  const kept = usable(await readFile(file, 'utf8').catch(() => ''), nowMs);
  if (kept !== undefined) return kept;
  const made = await makeIdentity(nowMs);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await writeFile(`${file}.new`, JSON.stringify(made), { mode: 0o600 });
  await rename(`${file}.new`, file);
  return made;
}

function usable(text: string, nowMs: number): Identity | undefined {
  try {
    const identity = JSON.parse(text) as Identity;
    const { validToDate } = new X509Certificate(identity.server.certPem);
    return validToDate.getTime() > nowMs + shortestLifeMs ? identity : undefined;
  } catch {
    // Empty, cut off or of another version: the clients must read the new kubeconfig.
    return undefined;
  }
}
