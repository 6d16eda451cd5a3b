/**
 * Output that stays readable both ways: on a terminal a live block at the bottom is redrawn in place while lines scroll by above it; anywhere
 * else every line is just a line.
 */
import type { WriteStream } from 'node:tty';
import { painted, plain, type Paint } from './screen.ts';

export type Output = Pick<WriteStream, 'write'> & { readonly isTTY?: boolean; readonly columns?: number };

export class Terminal {
  readonly live: boolean;
  readonly paint: Paint;
  readonly #out: Output;
  #block: readonly string[] = [];

  /** `colour` says whether a terminal may be painted; NO_COLOR asks for none. */
  constructor(out: Output, colour: boolean) {
    this.#out = out;
    this.live = out.isTTY === true;
    this.paint = this.live && colour ? painted : plain;
    if (this.live) out.write('\u001b[?25l');
  }

  /** Lines that stay. */
  print(...lines: readonly string[]): void {
    this.#out.write(`${this.#erase()}${lines.map((line) => `${line}\n`).join('')}${this.#drawn()}`);
  }

  /** Replaces the live block. Does nothing where nothing can be redrawn. */
  draw(block: readonly string[]): void {
    if (!this.live) return;
    const erase = this.#erase();
    this.#block = block;
    this.#out.write(`${erase}${this.#drawn()}`);
  }

  /** Leaves the last block standing, or removes it, and gives the cursor back. */
  end(keepBlock = true): void {
    if (!keepBlock) this.draw([]);
    this.#block = [];
    if (this.live) this.#out.write('\u001b[?25h');
  }

  #drawn(): string {
    return this.#block.map((line) => `${line}\n`).join('');
  }

  #erase(): string {
    return this.#block.length === 0 ? '' : `\u001b[${this.#block.length}A\u001b[0J`;
  }
}
