/** What one watch shows, and how far it has been read: a world is at rest only when everybody has seen everything. */
import type { Transport } from '../../../operator/kube/transport.ts';

export interface Change {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly revision: number;
}

/** Long enough for a version that is cut in two by the end of a chunk. */
const overlap = 64;

export class WatchView {
  /** Tells clusters apart. */
  readonly transport: Transport;
  readonly plural: string;
  readonly #namespace: string | undefined;
  readonly #name: string | undefined;
  readonly #labels: readonly (readonly [string, string])[];
  #seen: number;
  #tail = '';

  constructor(transport: Transport, path: string) {
    this.transport = transport;
    const url = new URL(path, 'http://api');
    const parts = url.pathname.split('/');
    this.plural = parts.at(-1) ?? '';
    this.#namespace = parts.at(-3) === 'namespaces' ? parts.at(-2) : undefined;
    this.#name = /^metadata\.name=(.+)$/.exec(url.searchParams.get('fieldSelector') ?? '')?.[1];
    this.#labels = (url.searchParams.get('labelSelector') ?? '')
      .split(',')
      .filter((term) => term !== '')
      .map((term) => [term.split('=')[0] ?? '', term.split('=')[1] ?? ''] as const);
    this.#seen = Number(url.searchParams.get('resourceVersion') ?? 0);
  }

  see(chunk: Uint8Array): void {
    const text = this.#tail + Buffer.from(chunk).toString('latin1');
    for (const [, version] of text.matchAll(/"resourceVersion":"(\d+)"/g)) this.#seen = Math.max(this.#seen, Number(version));
    this.#tail = text.slice(-overlap);
  }

  /** Whether it has shown all of these that it has to show. */
  hasSeen(changes: readonly Change[]): boolean {
    for (let index = changes.length - 1; index >= 0; index -= 1) {
      const change = changes[index];
      if (change === undefined || change.revision <= this.#seen) return true;
      if (this.#shows(change)) return false;
    }
    return true;
  }

  #shows({ namespace, name, labels }: Change): boolean {
    return (
      (this.#namespace === undefined || this.#namespace === namespace) &&
      (this.#name === undefined || this.#name === name) &&
      this.#labels.every(([key, value]) => labels[key] === value)
    );
  }
}
