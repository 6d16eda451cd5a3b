/**
 * The proof that a schedule came over: the slots that Prow's expression has, against those of the manifest as it was written. Both are
 * computed anew, one from the text of the configuration and one from the text of the manifest.
 */
import { parseDuration } from '../../crds/duration.ts';
import { parseManifests } from '../../crds/manifests.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import { parseSchedule, ScheduleCache, slotsBetween, type Schedule, type SlotSchedule } from '../jobs/schedule.ts';
import { stamp } from '../jobs/times.ts';

/** When a job runs, in the words of the configuration. */
export interface ProwSchedule {
  readonly cron?: string;
  readonly interval?: string;
  readonly minimumInterval?: string;
}

export interface Span {
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface Comparison {
  /** How many slots of the span were compared; 0 for an interval, whose period was. */
  readonly slots: number;
  /** Undefined when both are the same. */
  readonly difference: string | undefined;
}

/** More than a slot a minute in thirty days. @every can have one a second: the first so many are compared, and the period with them. */
const maxSlots = 50_000;

/** Compares many schedules over one span. Equal schedules are computed once on each side. */
export class SlotComparer {
  readonly #span: Span;
  readonly #written = new ScheduleCache();
  readonly #slots = new Map<string, readonly number[]>();

  constructor(span: Span) {
    this.#span = span;
  }

  compare(prow: ProwSchedule, manifest: string): Comparison {
    const written = this.#read(manifest);
    if (typeof written === 'string') return { slots: 0, difference: written };
    if (prow.cron !== undefined) return this.#compareSlots(prow.cron, written);
    const from = prow.interval === undefined ? 'end' : 'start';
    const periodMs = wholeSeconds(parseDuration(prow.interval ?? prow.minimumInterval ?? ''));
    const isSame = written.kind === 'interval' && written.from === from && written.periodMs === periodMs;
    return {
      slots: 0,
      difference: isSame ? undefined : `Prow counts ${periodMs} ms from the ${from} of a run, the manifest says ${written.text}`,
    };
  }

  #read(manifest: string): Schedule | string {
    const [object] = parseManifests(manifest).manifests;
    if (object === undefined) return 'the manifest cannot be read';
    const { metadata, spec } = object.value as unknown as Periodic;
    const parsed = this.#written.parse(spec, `${metadata.namespace ?? ''}/${metadata.name}`);
    return parsed.ok ? parsed.schedule : parsed.problems.map(({ path, message }) => `${path}: ${message}`).join('; ');
  }

  #compareSlots(cron: string, written: Schedule): Comparison {
    const parsed = parseSchedule({ cron: inMinutes(cron) });
    if (!parsed.ok || parsed.schedule.kind !== 'slots') return { slots: 0, difference: `${JSON.stringify(cron)} has no slots in Prow` };
    if (written.kind !== 'slots') return { slots: 0, difference: `the manifest has an interval, ${written.text}` };
    const before = this.#slotsOf('prow', parsed.schedule);
    const after = this.#slotsOf('manifest', written);
    const longer = before.length >= after.length ? before : after;
    const index = longer.findIndex((_slot, at) => before[at] !== after[at]);
    if (index < 0) return { slots: before.length, difference: undefined };
    const difference = `slot ${index + 1} is ${when(before[index])} in Prow and ${when(after[index])} in the manifest`;
    return { slots: before.length, difference };
  }

  #slotsOf(side: string, schedule: SlotSchedule): readonly number[] {
    const key = `${side} ${schedule.text}`;
    const known = this.#slots.get(key);
    if (known !== undefined) return known;
    const { fromMs, untilMs } = this.#span;
    const { slots } = slotsBetween(schedule, { sinceMs: fromMs, startsAtOnce: true }, { afterMs: fromMs - 1, untilMs }, maxSlots);
    this.#slots.set(key, slots);
    return slots;
  }
}

/** Prow looks once a minute: an expression with seconds is the one without them. */
function inMinutes(cron: string): string {
  const words = cron.trim().split(/\s+/);
  return words.length === 6 ? words.slice(1).join(' ') : cron;
}

const wholeSeconds = (ms: number): number => Math.floor(ms / 1000) * 1000;
const when = (slot: number | undefined): string => (slot === undefined ? 'none' : stamp(slot));
