/**
 * What a person would do who keeps a schedule by hand: a plain list of slots, a plain list of runs, and at each instant where anything can
 * happen a look at all of them. Shares no code with the planner, so that both being wrong in the same way is unlikely. Slow and simple.
 */

export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Story {
  readonly slots: readonly { readonly slotMs: number; readonly startMs: number }[];
  readonly policy: 'Allow' | 'Forbid' | 'Queue' | 'Replace';
  readonly places: number;
  readonly maxQueued: number;
  readonly deadlineMs: number;
  readonly missed: { readonly policy: 'Skip' | 'Latest' | 'All'; readonly limit: number; readonly maxAgeMs: number };
  readonly retry: { readonly attempts: number; readonly delayMs: number };
  readonly exclusions: readonly Span[];
  /** Somebody suspends the schedule at the beginning of each, and resumes it at the end. Never during an outage. */
  readonly pauses: readonly Span[];
  /** Nobody looks. */
  readonly outages: readonly Span[];
  readonly endMs: number;
  /** How long a run takes to end that was asked to. */
  readonly abortMs: number;
  /** How long a run takes and whether it succeeds. */
  readonly fateOf: (slotMs: number, attempt: number) => { readonly ms: number; readonly ok: boolean };
}

export interface Told {
  /** Slot → "started" or the reason why not; without those that still wait. */
  readonly verdicts: ReadonlyMap<number, string>;
  /** "slot#attempt@start", in milliseconds, in the order of starts. */
  readonly starts: readonly string[];
}

interface Run {
  readonly slotMs: number;
  readonly attempt: number;
  endMs: number;
  ok: boolean;
  aborted: boolean;
  seen: boolean;
}

interface Waiter {
  readonly slotMs: number;
  readonly startMs: number;
  readonly attempt: number;
  readonly kind: 'queued' | 'replacing' | 'catchup' | 'retry';
  readonly readyMs: number;
}

const within = (spans: readonly Span[], ms: number): boolean => spans.some(({ fromMs, toMs }) => fromMs <= ms && ms < toMs);

export class NaiveKeeper {
  readonly #story: Story;
  readonly #verdicts = new Map<number, string>();
  readonly #starts: string[] = [];
  #runs: Run[] = [];
  #waiters: Waiter[] = [];
  #next = 0;
  #latestMs = -Infinity;
  #paused = false;

  constructor(story: Story) {
    this.#story = story;
  }

  tell(): Told {
    const { endMs, outages } = this.#story;
    for (let nowMs = this.#nextInstant(-Infinity); nowMs <= endMs; nowMs = this.#nextInstant(nowMs)) {
      if (!within(outages, nowMs)) for (let again = true; again;) again = this.#look(nowMs);
    }
    return { verdicts: this.#verdicts, starts: this.#starts };
  }

  /** The first instant after this one where anything can happen. */
  #nextInstant(afterMs: number): number {
    const { slots, exclusions, pauses, outages, deadlineMs, missed } = this.#story;
    let best = Infinity;
    const consider = (ms: number): void => {
      if (ms > afterMs && ms < best) best = ms;
    };
    for (let index = this.#next; index < slots.length; index++) {
      const { startMs } = slots[index]!;
      consider(startMs);
      if (startMs > afterMs) break;
    }
    for (const span of [...exclusions, ...pauses, ...outages]) [span.fromMs, span.toMs].forEach(consider);
    for (const run of this.#runs) consider(run.endMs);
    for (const { startMs, readyMs, kind } of this.#waiters) {
      consider(readyMs);
      consider(startMs + deadlineMs + 1);
      if (kind === 'catchup') consider(startMs + missed.maxAgeMs + 1);
    }
    return best;
  }

  /** Says whether it is worth looking again at once. */
  #look(nowMs: number): boolean {
    // Who joins now has its turn when we look again.
    const known = new Set(this.#waiters);
    const ended = this.#runs.filter((run) => run.endMs <= nowMs && !run.seen);
    const active = (): number => this.#runs.filter((run) => run.endMs > nowMs).length;
    for (const run of ended) run.seen = true;
    const paused = within(this.#story.pauses, nowMs);
    const due: { slotMs: number; startMs: number }[] = [];
    if (!(paused && this.#paused)) {
      for (; (this.#story.slots[this.#next]?.startMs ?? Infinity) <= nowMs; this.#next++) due.push(this.#story.slots[this.#next]!);
    }
    const wasPaused = this.#paused || paused;
    this.#paused = paused;
    if (this.#story.policy === 'Queue') {
      const fresh = this.#repeat(ended);
      if (!fresh) this.#turns(nowMs, paused, active, known);
      this.#judge(nowMs, due, wasPaused, active);
    } else {
      this.#judge(nowMs, due, wasPaused, active);
      this.#turns(nowMs, paused, active, known);
      this.#repeat(ended);
    }
    this.#runs = this.#runs.filter((run) => !run.seen);
    return this.#waiters.some((waiter) => !known.has(waiter));
  }

  #start(nowMs: number, slotMs: number, attempt: number): void {
    const { ms, ok } = this.#story.fateOf(slotMs, attempt);
    this.#runs.push({ slotMs, attempt, endMs: nowMs + ms, ok, aborted: false, seen: false });
    this.#starts.push(`${slotMs}#${attempt}@${nowMs}`);
    this.#latestMs = Math.max(this.#latestMs, slotMs);
    if (attempt === 1) this.#verdicts.set(slotMs, 'started');
  }

  #wait(waiter: Waiter): void {
    this.#waiters.push(waiter);
    this.#waiters.sort((a, b) => a.slotMs - b.slotMs || a.attempt - b.attempt);
  }

  #repeat(ended: readonly Run[]): boolean {
    const { retry, policy } = this.#story;
    let any = false;
    for (const { slotMs, attempt, ok, aborted, endMs } of ended) {
      const overtaken = this.#latestMs > slotMs || this.#waiters.some(({ kind, slotMs: other }) => kind === 'replacing' && other > slotMs);
      if (ok || aborted || attempt > retry.attempts || (policy !== 'Queue' && overtaken)) continue;
      this.#wait({ slotMs, startMs: slotMs, attempt: attempt + 1, kind: 'retry', readyMs: endMs + retry.delayMs });
      any = true;
    }
    return any;
  }

  #judge(nowMs: number, due: readonly { slotMs: number; startMs: number }[], wasPaused: boolean, active: () => number): void {
    const { exclusions, missed, deadlineMs, policy, places, maxQueued } = this.#story;
    const open = due.filter(({ slotMs, startMs }) => {
      const reason = wasPaused ? 'Suspended' : within(exclusions, slotMs) || within(exclusions, startMs) ? 'Excluded' : undefined;
      if (reason !== undefined) this.#verdicts.set(slotMs, reason);
      return reason === undefined;
    });
    const onTime = open.filter(({ startMs }) => nowMs - startMs <= 10_000);
    const late = open.filter((slot) => !onTime.includes(slot));
    let made = late.filter(({ startMs }) => nowMs - startMs <= deadlineMs && nowMs - startMs <= missed.maxAgeMs).slice(-missed.limit);
    if (missed.policy !== 'All') made = onTime.length === 0 ? late.slice(-1) : [];
    let room = this.#waiters.filter(({ kind }) => kind === 'catchup').length + (missed.policy === 'All' ? made.length : 0) - missed.limit;
    if (policy !== 'Queue' && missed.policy === 'All' && made.length > 0) {
      this.#waiters = this.#waiters.filter((waiter) => {
        if (waiter.kind !== 'catchup' || room <= 0) return true;
        room -= 1;
        this.#verdicts.set(waiter.slotMs, 'Superseded');
        return false;
      });
    }
    const lastPlaced = open.findLast(
      (slot) =>
        (onTime.includes(slot) || missed.policy !== 'All') &&
        (onTime.includes(slot) || made.includes(slot)) &&
        this.#tooOld(nowMs, slot, late.includes(slot)) === undefined,
    );
    for (const slot of open) {
      const { slotMs, startMs } = slot;
      const isLate = late.includes(slot);
      const old = isLate && !made.includes(slot) && missed.policy === 'Latest' ? 'Superseded' : this.#tooOld(nowMs, slot, isLate);
      if (old !== undefined) this.#verdicts.set(slotMs, old);
      else if (isLate && !made.includes(slot)) this.#verdicts.set(slotMs, 'Superseded');
      else if (isLate && missed.policy === 'All') {
        if (policy === 'Queue' && this.#waiters.length >= maxQueued) this.#verdicts.set(slotMs, 'QueueFull');
        else this.#wait({ slotMs, startMs, attempt: 1, kind: 'catchup', readyMs: -Infinity });
      } else this.#place(nowMs, slot, slot === lastPlaced, active() < places);
    }
  }

  #tooOld(nowMs: number, { startMs }: { startMs: number }, isLate: boolean): string | undefined {
    const { deadlineMs, missed } = this.#story;
    if (isLate && missed.policy === 'Skip') return 'SkipPolicy';
    if (nowMs - startMs > deadlineMs) return 'StartingDeadline';
    if (!isLate) return undefined;
    return nowMs - startMs > missed.maxAgeMs ? 'MaxAge' : undefined;
  }

  #place(nowMs: number, { slotMs, startMs }: { slotMs: number; startMs: number }, isLast: boolean, hasPlace: boolean): void {
    const { policy, exclusions, maxQueued } = this.#story;
    if (policy === 'Replace') {
      for (const { slotMs: other } of this.#waiters.filter(({ kind }) => kind === 'replacing')) this.#verdicts.set(other, 'Replaced');
      this.#waiters = this.#waiters.filter(({ kind }) => kind !== 'replacing');
    }
    if (within(exclusions, nowMs)) this.#verdicts.set(slotMs, 'Excluded');
    else if (policy === 'Replace' && !isLast) this.#verdicts.set(slotMs, 'Replaced');
    else if (hasPlace && (policy !== 'Queue' || this.#waiters.length === 0)) this.#start(nowMs, slotMs, 1);
    else if (policy === 'Replace') {
      this.#wait({ slotMs, startMs, attempt: 1, kind: 'replacing', readyMs: -Infinity });
      for (const run of this.#runs.filter(({ endMs, slotMs: other }) => endMs > nowMs && other < slotMs)) {
        if (run.aborted) continue;
        Object.assign(run, { aborted: true, endMs: Math.min(run.endMs, nowMs + this.#story.abortMs) });
      }
    } else if (policy === 'Queue' && this.#waiters.length >= maxQueued) this.#verdicts.set(slotMs, 'QueueFull');
    else if (policy === 'Queue') this.#wait({ slotMs, startMs, attempt: 1, kind: 'queued', readyMs: -Infinity });
    else this.#verdicts.set(slotMs, policy === 'Allow' ? 'MaxConcurrency' : 'ActiveRun');
  }

  #turns(nowMs: number, paused: boolean, active: () => number, known: ReadonlySet<Waiter>): void {
    const { policy, exclusions, deadlineMs, missed, places } = this.#story;
    const given = this.#waiters
      .filter((waiter) => known.has(waiter))
      .toSorted((a, b) => Number(b.kind === 'replacing') - Number(a.kind === 'replacing'));
    let closed = paused || within(exclusions, nowMs);
    const overtaken = ({ kind, slotMs }: Waiter): boolean =>
      kind === 'retry' &&
      policy !== 'Queue' &&
      (this.#latestMs > slotMs || this.#waiters.some((other) => other.kind === 'replacing' && other.slotMs > slotMs));
    for (const waiter of given) {
      const leave = (): void => void (this.#waiters = this.#waiters.filter((other) => other !== waiter));
      const { slotMs, startMs, attempt, kind, readyMs } = waiter;
      if (kind !== 'retry' && nowMs - startMs > deadlineMs) {
        this.#verdicts.set(slotMs, 'StartingDeadline');
        leave();
      } else if (kind === 'catchup' && nowMs - startMs > missed.maxAgeMs) {
        this.#verdicts.set(slotMs, 'MaxAge');
        leave();
      } else if (overtaken(waiter)) leave();
      else if (readyMs > nowMs) closed ||= policy === 'Queue';
      else if (closed || active() >= places) closed = true;
      else {
        leave();
        this.#start(nowMs, slotMs, attempt);
      }
    }
    this.#waiters = this.#waiters.filter((waiter) => !known.has(waiter) || !overtaken(waiter));
  }
}
