/**
 * A year of 1,000 random Periodics in compressed time: every schedule, policy, pause and outage drawn from a seed. The planner and the
 * status function are driven as the reconciler drives them, and must tell of each slot what the naive keeper of schedules tells.
 */
import { expect, it } from 'vitest';
import type { Periodic, PeriodicSpec } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { startOfSlot } from '../../operator/jobs/periodicJitter.ts';
import { planPeriodic } from '../../operator/jobs/periodicPlan.ts';
import { attemptOfRun, buildRun, slotOfRun, type RunCause } from '../../operator/jobs/periodicRun.ts';
import { parseSchedule, type Schedule } from '../../operator/jobs/schedule.ts';
import { newPeriodic } from '../../operator/jobs/testing/periodics.ts';
import { stamp } from '../../operator/jobs/times.ts';
import { periodicStatus } from './status.ts';
import type { StartedRun } from './steps/carryOut.ts';
import { NaiveKeeper, type Span, type Story, type Told } from './testing/naiveYear.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const startMs = Date.parse('2026-01-01T00:00:00Z');
const endMs = startMs + 365 * dayMs;

/** Numbers in [0, 1) that follow from the seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Drawn {
  readonly periodic: Periodic;
  readonly schedule: Schedule;
  readonly story: Story;
}

/** One Periodic and its year. */
function draw(seed: number): Drawn {
  const random = randomOf(seed);
  const pick = <T>(...options: readonly T[]): T => options[Math.floor(random() * options.length)]!;
  const between = (low: number, high: number): number => low + Math.floor(random() * (high - low));
  const some = <T>(share: number, make: () => T): T | undefined => (random() < share ? make() : undefined);
  const minute = between(0, 60);
  const hours = Array.from({ length: pick(1, 1, 1, 1, 2) }, () => between(0, 24));
  const days = pick(...[[], [0, 6]], ...Array.from({ length: 8 }, () => [between(0, 7)]));
  const spans = (count: number, longestMs: number): readonly Span[] =>
    Array.from({ length: count }, () => {
      const fromMs = startMs + between(1, 360 * 86_400) * 1000;
      return { fromMs, toMs: fromMs + between(60, longestMs / 1000) * 1000 };
    });
  const outages = spans(pick(0, 3, 8), pick(hourMs, 6 * dayMs));
  // A person suspends and resumes while somebody is there to see it.
  const pauses = apart(spans(pick(0, 0, 3), 20 * dayMs), outages);
  const policy = pick('Allow' as const, 'Forbid' as const, 'Queue' as const, 'Replace' as const);
  const maxConcurrency = policy === 'Allow' || policy === 'Queue' ? some(0.5, () => between(1, 4)) : undefined;
  const maxQueued = policy === 'Queue' ? some(0.3, () => between(1, 4)) : undefined;
  const missed = some(0.7, () => ({
    policy: pick('Skip' as const, 'Latest' as const, 'All' as const),
    limit: between(1, 8),
    maxAgeMs: pick(Infinity, 2 * dayMs),
  }));
  const deadlineMs = some(0.3, () => pick(5000, hourMs, 2 * dayMs));
  const retry = some(0.4, () => ({ attempts: between(1, 4), delayMs: pick(0, 10 * minuteMs, dayMs) }));
  const exclusions = spans(pick(0, 0, 4), 10 * dayMs);
  const jitter = some(0.3, () => pick('30m', '5h', '100h'));
  const spec: Partial<PeriodicSpec> = {
    cron: `${minute} ${hours.join(',')} * * ${days.length === 0 ? '*' : days.join(',')}`,
    concurrencyPolicy: policy,
    ...defined({ maxConcurrency, maxQueued, jitter, startingDeadline: deadlineMs === undefined ? undefined : `${deadlineMs / 1000}s` }),
    ...(missed === undefined
      ? {}
      : {
          missedRuns: {
            policy: missed.policy,
            limit: missed.limit,
            ...defined({ maxAge: missed.maxAgeMs === Infinity ? undefined : `${missed.maxAgeMs / 1000}s` }),
          },
        }),
    ...(retry === undefined ? {} : { retry: { attempts: retry.attempts, delay: `${retry.delayMs / 1000}s` } }),
    ...(exclusions.length === 0 ? {} : { exclusions: exclusions.map(({ fromMs, toMs }) => ({ from: stamp(fromMs), to: stamp(toMs) })) }),
  };
  const periodic = newPeriodic({ uid: `uid-${seed}`, created: stamp(startMs), spec });
  const parsed = parseSchedule(periodic.spec);
  if (!parsed.ok) throw new Error('the schedule cannot be read');
  const { schedule } = parsed;
  const longestMs = pick(10 * minuteMs, hourMs, 30 * hourMs, 12 * dayMs);
  const slots = slotsByHand(minute, hours, days).map((slotMs) => ({
    slotMs,
    startMs: startOfSlot(periodic, schedule, { sinceMs: startMs, startsAtOnce: true }, slotMs),
  }));
  const story: Story = {
    slots,
    policy,
    places: policy === 'Allow' ? (maxConcurrency ?? Infinity) : (maxConcurrency ?? 1),
    maxQueued: maxQueued ?? 100,
    deadlineMs: deadlineMs ?? Infinity,
    missed: missed ?? { policy: 'Latest', limit: 5, maxAgeMs: Infinity },
    retry: retry ?? { attempts: 0, delayMs: 0 },
    exclusions,
    pauses,
    outages,
    endMs,
    abortMs: pick(30_000, 30_000, 3 * dayMs),
    fateOf: (slotMs, attempt) => {
      const fate = randomOf(seed ^ (slotMs / 1000) ^ (attempt * 7919));
      return { ms: (1 + Math.floor((fate() * longestMs) / 1000)) * 1000, ok: fate() < 0.7 };
    },
  };
  return { periodic, schedule, story };
}

const defined = <T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> };

/** Those that neither overlap each other nor begin or end while nobody looks. */
function apart(spans: readonly Span[], outages: readonly Span[]): readonly Span[] {
  const kept: Span[] = [];
  for (const span of spans) {
    const isSeen = !outages.some(({ fromMs, toMs }) => [span.fromMs, span.toMs].some((ms) => fromMs <= ms && ms <= toMs));
    if (isSeen && kept.every(({ fromMs, toMs }) => span.toMs < fromMs || toMs < span.fromMs)) kept.push(span);
  }
  return kept;
}

function slotsByHand(minute: number, hours: readonly number[], days: readonly number[]): readonly number[] {
  const slots = new Set<number>();
  for (let day = startMs; day <= endMs; day += dayMs) {
    if (days.length > 0 && !days.includes(new Date(day).getUTCDay())) continue;
    for (const hour of hours) slots.add(day + hour * hourMs + minute * minuteMs);
  }
  return [...slots].filter((slotMs) => slotMs > startMs && slotMs <= endMs).sort((a, b) => a - b);
}

interface LiveRun {
  run: ProwJob;
  endMs: number;
}

/** The planner's year: passes at the instants it asks for, at the ends of runs, at edits, and when an outage is over. */
class PlannersYear {
  readonly #drawn: Drawn;
  readonly #verdicts = new Map<number, string>();
  readonly #starts: string[] = [];
  #periodic: Periodic;
  #runs: LiveRun[] = [];
  passes = 0;

  constructor(drawn: Drawn) {
    this.#drawn = drawn;
    this.#periodic = drawn.periodic;
  }

  tell(): Told {
    const { pauses, outages } = this.#drawn.story;
    const edits = pauses.flatMap(({ fromMs, toMs }) => [fromMs, toMs]).sort((a, b) => a - b);
    let nowMs = startMs;
    let wakeAtMs: number | undefined = startMs;
    for (;;) {
      const ends = this.#runs.filter(({ run }) => run.status?.completionTime === undefined).map((live) => live.endMs);
      const next = Math.min(wakeAtMs ?? Infinity, ...ends, ...edits.filter((ms) => ms > nowMs).slice(0, 1));
      nowMs = Math.max(nowMs, next);
      for (const { fromMs, toMs } of outages.toSorted((a, b) => a.fromMs - b.fromMs)) if (fromMs <= nowMs && nowMs < toMs) nowMs = toMs;
      if (nowMs > endMs) return { verdicts: this.#verdicts, starts: this.#starts };
      this.#settle(nowMs);
      wakeAtMs = this.#pass(nowMs);
    }
  }

  /** What users and the world have done up to now. */
  #settle(nowMs: number): void {
    const { spec, metadata } = this.#periodic;
    const suspend = this.#drawn.story.pauses.some(({ fromMs, toMs }) => fromMs <= nowMs && nowMs < toMs);
    if (suspend !== (spec.suspend ?? false)) {
      this.#periodic = {
        ...this.#periodic,
        spec: { ...spec, suspend },
        metadata: { ...metadata, generation: (metadata.generation ?? 1) + 1 },
      };
    }
    for (const live of this.#runs) {
      if (live.endMs > nowMs || live.run.status?.completionTime !== undefined) continue;
      const { ok } = this.#drawn.story.fateOf(slotOfRun(live.run) ?? 0, attemptOfRun(live.run));
      const state = live.run.spec.abort !== undefined ? 'aborted' : ok ? 'success' : 'failure';
      live.run = { ...live.run, status: { state, completionTime: stamp(live.endMs) } };
    }
  }

  #pass(nowMs: number): number | undefined {
    this.passes += 1;
    const { schedule } = this.#drawn;
    const periodic = this.#periodic;
    const runs = this.#runs.map(({ run }) => run);
    const ended = runs.filter((run) => run.status?.completionTime !== undefined);
    const scope = { periodic, parsed: { ok: true, schedule } as const, runs, ended, nowMs };
    const plan = planPeriodic({ ...scope, schedule });
    const started: StartedRun[] = [];
    for (const decision of plan.decisions) {
      if (decision.outcome === 'start')
        started.push({ decision, created: true, ...this.#create(periodic, { kind: 'slot', ...decision }, nowMs) });
      else if (decision.outcome === 'skip' || decision.outcome === 'miss') this.#say(decision.slotMs, decision.reason);
    }
    this.#periodic = { ...periodic, status: periodicStatus(scope, plan, { settled: plan.decisions, left: [], started, refusals: [] }) };
    for (const { metadata } of plan.replaced) {
      const live = this.#runs.find(({ run }) => run.metadata.name === metadata.name);
      if (live === undefined) continue;
      live.run = { ...live.run, spec: { ...live.run.spec, abort: { by: 'Periodic', reason: 'test' } } };
      live.endMs = Math.min(live.endMs, nowMs + this.#drawn.story.abortMs);
    }
    // Cleaned up as soon as it may be.
    this.#runs = this.#runs.filter(({ run }) => run.status?.completionTime === undefined);
    return plan.wakeAtMs;
  }

  #create(periodic: Periodic, cause: Extract<RunCause, { kind: 'slot' }>, nowMs: number): Pick<StartedRun, 'run' | 'cause'> {
    const { slotMs, attempt = 1 } = cause;
    const built = buildRun(periodic, cause);
    const run: ProwJob = {
      ...built,
      metadata: { ...built.metadata, uid: built.metadata.name, creationTimestamp: stamp(nowMs) },
      status: { state: 'triggered' },
    };
    this.#starts.push(`${slotMs}#${attempt}@${nowMs}`);
    if (attempt === 1) this.#say(slotMs, 'started');
    this.#runs.push({ run, endMs: nowMs + this.#drawn.story.fateOf(slotMs, attempt).ms });
    return { run, cause };
  }

  #say(slotMs: number, verdict: string): void {
    const before = this.#verdicts.get(slotMs);
    if (before !== undefined) throw new Error(`the slot ${stamp(slotMs)} was ${before}, and is now ${verdict}`);
    this.#verdicts.set(slotMs, verdict);
  }
}

const count = 1000;

it(`a year of ${count} Periodics agrees with a schedule kept by hand`, { timeout: 120_000 }, () => {
  const totals = new Map<string, number>();
  let passes = 0;
  for (let seed = 1; seed <= count; seed++) {
    const drawn = draw(seed);
    const year = new PlannersYear(drawn);
    const planned = year.tell();
    const wanted = new NaiveKeeper(drawn.story).tell();
    passes += year.passes;
    const readable = ({ verdicts, starts }: Told) => ({
      verdicts: [...verdicts].sort(([a], [b]) => a - b).map(([slotMs, verdict]) => `${stamp(slotMs)} ${verdict}`),
      starts: starts.map((start) =>
        start.replace(
          /^(\d+)#(\d+)@(\d+)$/,
          (_, slot: string, attempt: string, at: string) => `${stamp(Number(slot))}#${attempt} at ${stamp(Number(at))}`,
        ),
      ),
    });
    expect(readable(planned), `seed ${seed}: ${JSON.stringify(drawn.periodic.spec)}`).toEqual(readable(wanted));
    for (const verdict of planned.verdicts.values()) totals.set(verdict, (totals.get(verdict) ?? 0) + 1);
    totals.set('repetitions', (totals.get('repetitions') ?? 0) + planned.starts.filter((start) => !start.includes('#1@')).length);
  }
  // Each thing that can become of a slot happens, or the year has shown nothing.
  const seen = [
    'started',
    'Suspended',
    'Excluded',
    'ActiveRun',
    'MaxConcurrency',
    'Replaced',
    'Superseded',
    'StartingDeadline',
    'MaxAge',
    'SkipPolicy',
    'QueueFull',
    'repetitions',
  ];
  expect(seen.filter((verdict) => (totals.get(verdict) ?? 0) === 0)).toEqual([]);
  process.stdout.write(`a year of ${count} Periodics, ${passes} passes: ${JSON.stringify(Object.fromEntries(totals))}\n`);
});
