/**
 * A list of things to do, one after the other, each with its time. One that others build on ends the run when it fails; one that only looks
 * does not. What has to be undone is undone in any case. At the end there is a summary that a person and a program can read.
 */

export interface Outcome {
  readonly what: string;
  readonly result: 'passed' | 'failed' | 'skipped';
  readonly seconds: number;
  /** A figure, or why it failed or was skipped. */
  readonly note: string;
}

/** Thrown by a step that cannot be done here, and need not be. */
export class SkipStep extends Error {
  override readonly name = 'SkipStep';
}

/** Ends the steps: one that the others build on has failed, and has been reported; or somebody stopped them. */
export class StepsEnded extends Error {
  override readonly name = 'StepsEnded';
}

export interface StepsOptions {
  readonly say: (line: string) => void;
  /** Milliseconds, steadily. */
  readonly nowMs: () => number;
}

export class Steps {
  readonly outcomes: Outcome[] = [];
  readonly #options: StepsOptions;
  #stopped = false;

  constructor(options: StepsOptions) {
    this.#options = options;
  }

  /** Others build on it: throws StepsEnded when it fails. `act` may return a note. */
  async need(what: string, act: () => Promise<string | undefined>): Promise<void> {
    if (!(await this.look(what, act))) throw new StepsEnded(what);
  }

  /** Nothing builds on it. Returns whether it did not fail. */
  async look(what: string, act: () => Promise<string | undefined>): Promise<boolean> {
    if (this.#stopped) throw new StepsEnded('stopped');
    return this.undo(what, act);
  }

  /** No step begins any more, except undo(). */
  stop(): void {
    this.#stopped = true;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** As look(), also after stop(). */
  async undo(what: string, act: () => Promise<string | undefined>): Promise<boolean> {
    const { say, nowMs } = this.#options;
    say(`=== ${what}`);
    const startedMs = nowMs();
    const end = (result: Outcome['result'], note = ''): void => {
      const outcome = { what, result, seconds: (nowMs() - startedMs) / 1000, note };
      this.outcomes.push(outcome);
      say(`=== ${lineOf(outcome)}`);
    };
    try {
      end('passed', await act());
      return true;
    } catch (error) {
      if (error instanceof SkipStep) {
        end('skipped', error.message);
        return true;
      }
      end('failed', error instanceof Error ? error.message : String(error));
      return false;
    }
  }

  /** The table of times, and how many passed, failed and were skipped. */
  summary(): readonly string[] {
    const total = this.outcomes.reduce((sum, { seconds }) => sum + seconds, 0);
    const count = (result: Outcome['result']): number => this.outcomes.filter((outcome) => outcome.result === result).length;
    const skipped = count('skipped');
    return [
      ...this.outcomes.map(lineOf),
      `in all ${total.toFixed(0)} s`,
      `${count('passed')} passed, ${count('failed')} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`,
    ];
  }

  get failed(): boolean {
    return this.outcomes.some(({ result }) => result === 'failed');
  }
}

function lineOf({ what, result, seconds, note }: Outcome): string {
  const [first = ''] = note.split('\n');
  return `${result.padEnd(7)} ${`${seconds.toFixed(1)} s`.padStart(8)}  ${what}${first === '' ? '' : `: ${first.slice(0, 200)}`}`;
}
