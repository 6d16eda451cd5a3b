/** A watch on its way from the API server to the client, with a fault in between: bytes to lines, lines through the mangler, and out again. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LineSplitter } from '../../operator/kube/watchStream.ts';
import type { Clock, Timer } from '../../operator/runtime/clock.ts';
import type { StreamFault } from './faults.ts';
import { WatchMangler, type Mangled } from './watchMangler.ts';

/** Lines that wait for later ones go on after so much silence. */
const flushAfterMs = 20;

export interface MangledStreamOptions {
  readonly outgoing: ServerResponse;
  readonly fault: StreamFault;
  /** In [0, 1). */
  readonly random: () => number;
  readonly clock: Pick<Clock, 'after'>;
}

export class MangledStream {
  readonly #outgoing: ServerResponse;
  readonly #clock: Pick<Clock, 'after'>;
  readonly #splitter = new LineSplitter();
  #mangler: WatchMangler | undefined;
  #isStalled = false;
  #flushing: Timer | undefined;

  /** The headers have been sent; `answer` has only its body left. */
  constructor(answer: IncomingMessage, { outgoing, fault, random, clock }: MangledStreamOptions) {
    this.#outgoing = outgoing;
    this.#clock = clock;
    const mangler = new WatchMangler(fault, random);
    this.#mangler = mangler;
    this.#send(mangler.begin());
    answer.on('data', (chunk: Buffer) => this.#take(chunk));
    answer.on('end', () => this.#end());
    outgoing.on('close', () => {
      this.#flushing?.cancel();
      answer.destroy();
    });
  }

  /** The fault is over: what was kept back goes on. A stream that had stalled breaks, because what it has missed is lost to it. */
  heal(): void {
    if (this.#isStalled) this.#outgoing.destroy();
    else this.#write(this.#mangler?.flush() ?? []);
    this.#mangler = undefined;
  }

  #take(chunk: Buffer): void {
    if (this.#isStalled) return;
    for (const line of this.#splitter.push(chunk)) {
      if (!this.#send(this.#mangler?.push(line) ?? { send: [line] })) return;
    }
    this.#flushing?.cancel();
    if (this.#mangler?.needsFlush === true)
      this.#flushing = this.#clock.after(flushAfterMs, () => this.#write(this.#mangler?.flush() ?? []));
  }

  /** False: nothing more may follow. */
  #send({ send, fragment, then }: Mangled): boolean {
    this.#write(send);
    if (fragment !== undefined && !this.#outgoing.writableEnded) this.#outgoing.write(fragment);
    if (then === 'close') this.#outgoing.end();
    else if (then === 'reset') this.#breakAfterWrites();
    else if (then === 'stall') this.#isStalled = true;
    return then === undefined;
  }

  /** What was sent before the break arrives: a break in the middle of it is another fault. */
  #breakAfterWrites(): void {
    this.#isStalled = true;
    this.#outgoing.write('\n', () => this.#outgoing.destroy());
  }

  #write(lines: readonly string[]): void {
    if (lines.length > 0 && !this.#outgoing.writableEnded) this.#outgoing.write(`${lines.join('\n')}\n`);
  }

  /** What is kept back for order's sake still comes; a client that is behind has to ask again for the rest. */
  #end(): void {
    if (this.#isStalled) return;
    if (this.#mangler?.needsFlush === true) this.#write(this.#mangler.flush());
    this.#outgoing.end();
  }
}
