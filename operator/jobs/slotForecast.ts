/**
 * The slots to come of one Periodic, for people: when each is in UTC and in its zone, when its run starts, and what is special about it. Pure.
 * What the operator does with a slot follows the same functions, so this tells what will happen, as far as it can be known beforehand.
 */
import type { Periodic } from '../../crds/v1/periodic.ts';
import { exclusionAt, isMended, wasStopped } from './periodicHolds.ts';
import { startOfSlot } from './periodicJitter.ts';
import { parseSchedule, scheduleSeed, type Anchor, type Schedule, type ScheduleSpec, type SlotSchedule } from './schedule.ts';
import { timeMs } from './times.ts';
import { Zone, type ZoneRules } from './zone.ts';

/** A Periodic with what its slots are counted by. */
export interface Planned {
  /** With its namespace, and a uid: the jitter follows from it. */
  readonly periodic: Periodic;
  readonly schedule: Schedule;
  readonly anchor: Anchor;
}

/** Instants from the first to before the second. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface ForecastSlot {
  readonly slotMs: number;
  /** When its run starts. Absent: it starts none. */
  readonly startMs?: number;
  /** Local time minus UTC. */
  readonly offsetMs: number;
  readonly notes: readonly string[];
}

export interface Forecast {
  readonly slots: readonly ForecastSlot[];
  /** Whether the span has more slots than were asked for. */
  readonly isCut: boolean;
}

/** The first `limit` slots of the span, those among them that start no run. */
export function forecast(planned: Planned & { readonly schedule: SlotSchedule }, { fromMs, toMs }: Span, limit: number): Forecast {
  const { periodic, schedule, anchor } = planned;
  const { spec } = periodic;
  const variants = variantsOf(periodic) ?? { all: schedule, unshifted: schedule };
  const zone = Zone.of(spec.timeZone ?? 'Etc/UTC');
  const slots: ForecastSlot[] = [];
  for (
    let slotMs = variants.all.next(fromMs - 1, anchor);
    slotMs !== undefined && slotMs < toMs;
    slotMs = variants.all.next(slotMs, anchor)
  ) {
    if (slots.length >= limit) return { slots, isCut: true };
    const isIn = (other: SlotSchedule): boolean => other.next(slotMs - 1, anchor) === slotMs;
    const clock =
      zone === undefined ? [] : clockNotes(spec, zone, slotMs, { isSlot: isIn(schedule), isUnshifted: isIn(variants.unshifted) });
    const startMs = startOfSlot(periodic, schedule, anchor, slotMs);
    const held = holdNotes(periodic, slotMs, startMs);
    const starts = held.length === 0 && isIn(schedule);
    slots.push({
      slotMs,
      ...(starts ? { startMs } : {}),
      offsetMs: zone?.segmentAt(slotMs).offsetMs ?? 0,
      notes: [...clock, ...held],
    });
  }
  return { slots, isCut: false };
}

/** When runs start in this span, at most `limit` of them. Nothing for an interval: its starts depend on its runs. */
export function startsIn({ periodic, schedule, anchor }: Planned, { fromMs, toMs }: Span, limit: number): readonly number[] {
  if (schedule.kind === 'interval') return [];
  const starts: number[] = [];
  for (let slotMs = schedule.next(fromMs - 1, anchor); slotMs !== undefined && slotMs < toMs; slotMs = schedule.next(slotMs, anchor)) {
    if (starts.length >= limit) break;
    const startMs = startOfSlot(periodic, schedule, anchor, slotMs);
    if (holdNotes(periodic, slotMs, startMs).length === 0) starts.push(startMs);
  }
  return starts;
}

/** The same schedule with every local time that may count, and with none that was moved. */
function variantsOf({ metadata, spec }: Periodic): { readonly all: SlotSchedule; readonly unshifted: SlotSchedule } | undefined {
  if (spec.timeZone === undefined) return undefined;
  const seed = scheduleSeed(metadata);
  const of = (dst: Required<NonNullable<ScheduleSpec['dst']>>): Schedule | undefined => {
    const parsed = parseSchedule({ ...spec, dst }, { seed });
    return parsed.ok ? parsed.schedule : undefined;
  };
  const all = of({ gap: 'Shift', overlap: 'Both' });
  const unshifted = of({ gap: 'Skip', overlap: 'Both' });
  return all?.kind === 'slots' && unshifted?.kind === 'slots' ? { all, unshifted } : undefined;
}

interface Membership {
  /** The schedule has this slot. */
  readonly isSlot: boolean;
  /** Its local time exists. */
  readonly isUnshifted: boolean;
}

/** What the clocks do to this slot. */
function clockNotes(spec: ScheduleSpec, zone: ZoneRules, slotMs: number, { isSlot, isUnshifted }: Membership): readonly string[] {
  const { startMs, endMs, offsetMs, offsetBeforeMs, offsetAfterMs } = zone.segmentAt(slotMs);
  if (!isUnshifted) {
    const wanted = hourAndMinute(slotMs + offsetBeforeMs);
    return [`${wanted} does not exist that day: ${isSlot ? 'moved behind the gap' : `left out (dst.gap ${spec.dst?.gap ?? 'Shift'})`}`];
  }
  const isSecond = offsetBeforeMs > offsetMs && slotMs < startMs + offsetBeforeMs - offsetMs;
  const isFirst = offsetMs > offsetAfterMs && slotMs >= endMs - (offsetMs - offsetAfterMs);
  if (!isSecond && !isFirst) return [];
  const which = `${isFirst ? 'first' : 'second'} of two ${hourAndMinute(slotMs + offsetMs)}`;
  return [isSlot ? which : `${which}: left out (dst.overlap ${spec.dst?.overlap ?? 'First'})`];
}

/** What keeps the slot from starting a run. An excluded time also holds back what its jitter would start there. */
function holdNotes(periodic: Periodic, slotMs: number, startMs: number): readonly string[] {
  const { spec } = periodic;
  const notes: string[] = [];
  if (wasStopped(periodic) && !isMended(periodic)) notes.push('stopped after failures');
  if (spec.suspend === true) notes.push('suspended');
  else if (slotMs < (timeMs(spec.suspendUntil) ?? -Infinity)) notes.push(`suspended until ${spec.suspendUntil ?? ''}`);
  const exclusion = exclusionAt(spec, slotMs) ?? exclusionAt(spec, startMs);
  if (exclusion !== undefined) notes.push(exclusion.reason === undefined ? 'excluded' : `excluded: ${exclusion.reason}`);
  return notes;
}

const hourAndMinute = (localMs: number): string => new Date(localMs).toISOString().slice(11, 16);
