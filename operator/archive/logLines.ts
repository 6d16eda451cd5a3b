/**
 * From a log with times, as the API server streams it, to the log as the container wrote it, and to the place from which reading goes on after a
 * connection broke. Nothing is lost and nothing comes twice: a kubelet that is asked for lines since a second gives all of that second again, in
 * the same order, so as many lines as were seen of it are skipped, and of a line that was cut as many bytes as were taken.
 */

const newline = 0x0a;
const space = 0x20;
const [digit0, digit9] = [0x30, 0x39];
/** "2026-01-02T03:04:05" */
const secondLength = 19;
/** With nanoseconds and an offset. */
const longestTime = 35;

/** What becomes of a line: it was seen, it was seen in part, or it is new. */
type Line = 'seen' | 'cut' | 'new';

export class LogLines {
  /** The latest second in which a line began, with the lines of it, and the same for the second before where lines began in it. */
  #second = '';
  #before = '';
  #linesOfSecond = 0;
  #linesOfBefore = 0;
  #offset = 'Z';
  #latestTime = '';
  /** Bytes taken of the last line while it has no end; undefined when it has, or when it will not come again. */
  #openBytes: number | undefined;
  // Of this connection: what comes again, and where we are.
  #seenLines = 0;
  #cutBytes: number | undefined;
  #line: Line | undefined;
  #held: Buffer = Buffer.alloc(0);

  /** Call it before each connection. Gives the sinceTime to ask for; undefined for the beginning. */
  resume(): string | undefined {
    this.#held = Buffer.alloc(0);
    this.#line = undefined;
    this.#cutBytes = this.#openBytes;
    this.#seenLines = this.#linesOfSecond + this.#linesOfBefore - (this.#openBytes === undefined ? 0 : 1);
    const since = this.#before === '' ? this.#second : this.#before;
    return since === '' ? undefined : since + this.#offset;
  }

  /** The text in this chunk that is new, in pieces. */
  push(chunk: Uint8Array): Buffer[] {
    const bytes = this.#held.length === 0 ? asBuffer(chunk) : Buffer.concat([this.#held, chunk]);
    this.#held = Buffer.alloc(0);
    const out: Buffer[] = [];
    for (let at = 0; at < bytes.length;) {
      if (this.#line === undefined) {
        const textAt = textAfterTime(bytes, at);
        if (textAt === undefined) {
          this.#held = Buffer.from(bytes.subarray(at));
          return out;
        }
        this.#begin(textAt === at ? '' : bytes.toString('latin1', at, textAt - 1), out);
        at = textAt;
      }
      const end = bytes.indexOf(newline, at);
      const stop = end < 0 ? bytes.length : end + 1;
      this.#take(bytes.subarray(at, stop), out);
      if (end >= 0) this.#end();
      at = stop;
    }
    return out;
  }

  #begin(time: string, out: Buffer[]): void {
    const comesAgain = time !== '' && time <= this.#latestTime;
    if (this.#seenLines > 0 && comesAgain) {
      this.#line = 'seen';
      return;
    }
    // A later line where seen ones were due: those have been rotated away.
    this.#seenLines = 0;
    if (this.#cutBytes !== undefined) {
      if (comesAgain) {
        this.#line = 'cut';
        return;
      }
      if (this.#cutBytes > 0) out.push(Buffer.from('\n'));
      this.#cutBytes = undefined;
    }
    this.#line = 'new';
    this.#openBytes = this.#count(time) ? 0 : undefined;
  }

  /** False for a line that a kubelet would not give again: its own words, or a time before the two seconds that are asked for again. */
  #count(time: string): boolean {
    if (time > this.#latestTime) this.#latestTime = time;
    const second = time.slice(0, secondLength);
    if (second === '') return false;
    if (second > this.#second) {
      const follows = this.#second !== '' && Date.parse(`${second}Z`) - Date.parse(`${this.#second}Z`) === 1000;
      [this.#before, this.#linesOfBefore] = follows ? [this.#second, this.#linesOfSecond] : ['', 0];
      [this.#second, this.#linesOfSecond] = [second, 1];
      this.#offset = time.endsWith('Z') ? 'Z' : time.slice(-6);
      return true;
    }
    if (second === this.#second) this.#linesOfSecond += 1;
    else if (second === this.#before) this.#linesOfBefore += 1;
    return second === this.#second || second === this.#before;
  }

  #take(text: Buffer, out: Buffer[]): void {
    if (this.#line === 'seen') return;
    const seen = Math.min(this.#cutBytes ?? 0, text.length);
    if (this.#cutBytes !== undefined) this.#cutBytes -= seen;
    if (seen < text.length) out.push(text.subarray(seen));
    if (this.#openBytes !== undefined) this.#openBytes += text.length - seen;
  }

  #end(): void {
    if (this.#line === 'seen') this.#seenLines -= 1;
    else {
      this.#cutBytes = undefined;
      this.#openBytes = undefined;
    }
    this.#line = undefined;
  }
}

/** Where the text of the line at `at` begins: `at` itself when the line has no time, undefined when more bytes are needed to know. */
function textAfterTime(bytes: Buffer, at: number): number | undefined {
  const first = bytes[at] ?? 0;
  if (first < digit0 || first > digit9) return at;
  const head = bytes.subarray(at, at + longestTime + 1);
  const length = head.indexOf(space);
  if (length > secondLength) return at + length + 1;
  const isUndecided = length < 0 && head.length <= longestTime && !head.includes(newline);
  return isUndecided ? undefined : at;
}

const asBuffer = (chunk: Uint8Array): Buffer =>
  Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
