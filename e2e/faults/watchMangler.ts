/**
 * What a fault makes of a watch, line by line: which lines go on, which are kept back, and whether the stream ends. Pure but for the chance
 * that is handed in: the same lines and the same numbers give the same result.
 */
import { statusBody, type StreamFault } from './faults.ts';

export interface Mangled {
  /** Lines that go on now, without their line ends. */
  readonly send: readonly string[];
  /** Then: `close` ends the stream in order, `reset` breaks it, `stall` lets nothing pass any more. */
  readonly then?: 'close' | 'reset' | 'stall' | undefined;
  /** Sent last, without a line end. */
  readonly fragment?: string;
}

interface Line {
  readonly text: string;
  /** `namespace/name`; empty for a bookmark. */
  readonly object: string;
  readonly type: string;
}

const nothing: Mangled = { send: [] };
const endings: ReadonlyMap<string, Mangled['then']> = new Map([
  ['close', 'close'],
  ['cut', 'reset'],
  ['stall', 'stall'],
]);

export class WatchMangler {
  readonly #fault: StreamFault;
  readonly #random: () => number;
  /** Events so far, bookmarks left out. */
  #events = 0;
  #held: Line[] = [];
  #garbled = false;

  /** @param random in [0, 1) */
  constructor(fault: StreamFault, random: () => number) {
    this.#fault = fault;
    this.#random = random;
  }

  /** Before the first line: some streams end at once. */
  begin(): Mangled {
    const { kind } = this.#fault;
    const afterEvents = 'afterEvents' in this.#fault ? this.#fault.afterEvents : undefined;
    return afterEvents === 0 && endings.has(kind) ? { send: [], then: endings.get(kind) } : nothing;
  }

  push(text: string): Mangled {
    const line = read(text);
    return 'afterEvents' in this.#fault ? this.#onceDue(line, this.#fault) : this.#always(line, this.#fault);
  }

  /** What was kept back, in the order in which it happened (or is to come). Nothing is kept back any more. */
  flush(): readonly string[] {
    const { kind } = this.#fault;
    const held = this.#held.splice(0);
    // What a replay keeps has been sent before.
    return kind === 'replay' ? [] : this.#inOrder(held).map(({ text }) => text);
  }

  /** Lines may wait for later ones only for a moment, else a quiet cluster would never tell them. */
  get needsFlush(): boolean {
    return this.#fault.kind === 'reorder' && this.#held.length > 0;
  }

  #onceDue(line: Line, fault: Extract<StreamFault, { afterEvents: number }>): Mangled {
    const isDue = this.#events >= fault.afterEvents;
    if (line.type !== 'BOOKMARK') this.#events += 1;
    if (!isDue) {
      const ending = this.#events >= fault.afterEvents ? endings.get(fault.kind) : undefined;
      return ending === undefined ? { send: [line.text] } : { send: [line.text], then: ending };
    }
    switch (fault.kind) {
      case 'lose':
        return this.#events >= fault.afterEvents + fault.events ? { send: [], then: 'close' } : nothing;
      case 'truncate':
        return { send: [], fragment: line.text.slice(0, Math.ceil(line.text.length / 2)), then: 'close' };
      case 'garbleLine':
        return this.#garbleOnce(line);
      case 'error':
        return { send: [JSON.stringify({ type: 'ERROR', object: statusBody(fault.code) })], then: 'close' };
      default:
        return { send: [], then: endings.get(fault.kind) };
    }
  }

  #garbleOnce({ text }: Line): Mangled {
    if (this.#garbled) return { send: [text] };
    this.#garbled = true;
    return { send: ['{"type":"ADDED","obj\u00e9ct":['] };
  }

  #always(line: Line, fault: Exclude<StreamFault, { afterEvents: number }>): Mangled {
    switch (fault.kind) {
      case 'behind':
        this.#held.push(line);
        return { send: this.#held.splice(0, this.#held.length - fault.events).map(({ text }) => text) };
      case 'duplicate':
        return { send: Array.from({ length: fault.times }, () => line.text) };
      case 'replay':
        this.#held.push(line);
        return { send: this.#held.length < fault.events ? [line.text] : [line.text, ...this.#held.splice(0).map(({ text }) => text)] };
      case 'reorder':
        this.#held.push(line);
        return this.#held.length < fault.window ? nothing : { send: this.flush() };
      case 'drop':
        return line.type !== 'BOOKMARK' && this.#random() < fault.probability ? nothing : { send: [line.text] };
      case 'dropDeletes':
        return line.type === 'DELETED' ? nothing : { send: [line.text] };
    }
  }

  #inOrder(lines: readonly Line[]): readonly Line[] {
    if (this.#fault.kind !== 'reorder') return lines;
    const shuffled = [...lines];
    for (let last = shuffled.length - 1; last > 0; last -= 1) {
      const other = Math.floor(this.#random() * (last + 1));
      [shuffled[last], shuffled[other]] = [shuffled[other]!, shuffled[last]!];
    }
    if (!this.#fault.keepObjects) return shuffled;
    // Each object keeps its places, and takes them in the order in which things happened to it.
    const queues = Map.groupBy(lines, ({ object }) => object);
    return shuffled.flatMap(({ object }) => queues.get(object)?.shift() ?? []);
  }
}

interface LooseEvent {
  readonly type?: string;
  readonly object?: { readonly metadata?: { readonly namespace?: string; readonly name?: string } };
}

/** A line that is no event is passed on as one of an object without a name. */
function read(text: string): Line {
  const { type = '', object } = parsed(text);
  const { namespace = '', name = '' } = object?.metadata ?? {};
  return { text, type, object: type === 'BOOKMARK' ? '' : `${namespace}/${name}` };
}

function parsed(text: string): LooseEvent {
  try {
    return (JSON.parse(text) as LooseEvent | null) ?? {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
