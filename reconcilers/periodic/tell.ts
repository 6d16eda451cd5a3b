/** What a person should see in kubectl describe. A run that started as planned is seen anyway, and told only where its cause is not plain. */
import { periodics } from '../../crds/resources.ts';
import type { Condition } from '../../crds/v1/common.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { SlotDecision } from '../../operator/jobs/periodicDecisions.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import { findCondition } from '../../operator/runtime/conditions.ts';
import { withKind } from '../../operator/runtime/eventRecorder.ts';
import type { Outcome } from './steps/carryOut.ts';

export interface EventSink {
  event(regarding: KubeObject, type: 'Normal' | 'Warning', reason: string, note: string, action?: string): void;
}

const skipNotes: readonly (readonly [reason: string, note: string])[] = [
  ['ActiveRun', 'A slot was skipped because an earlier run is active'],
  ['MaxConcurrency', 'A slot was skipped because of spec.maxConcurrency'],
  ['Replaced', 'A slot that waited to replace a run was itself replaced by a later one'],
  ['ScheduleChanged', 'A slot that was to come was skipped because the schedule was edited'],
];

/** `conditions`: those that were written. */
export function tell(events: EventSink, object: Periodic, conditions: readonly Condition[] | undefined, outcome: Outcome): void {
  const periodic = withKind(periodics, object);
  for (const { cause, decision, run, created } of outcome.started) {
    if (!created) continue;
    if (cause.kind === 'manual') events.event(periodic, 'Normal', 'RunStarted', `Started ${run.metadata.name} by hand`, 'Start');
    else if (decision?.cause === 'retry')
      events.event(periodic, 'Normal', 'RunRepeated', `Started ${run.metadata.name}, because the run before it ended badly`, 'Start');
  }
  tellSettled(events, periodic, outcome);
  tellConditions(events, periodic, { before: object.status?.conditions, after: conditions });
}

interface Conditions {
  readonly before: readonly Condition[] | undefined;
  readonly after: readonly Condition[] | undefined;
}

function tellConditions(events: EventSink, periodic: KubeObject, { before, after }: Conditions): void {
  const stalled = findCondition(after, 'Stalled');
  if (stalled?.reason === 'InvalidSchedule' && stalled.message !== findCondition(before, 'Stalled')?.message) {
    events.event(periodic, 'Warning', 'InvalidSchedule', stalled.message, 'Parse');
  }
  const [stopped, wasStopped] = [findCondition(after, 'Stopped'), findCondition(before, 'Stopped') !== undefined];
  if (stopped !== undefined && !wasStopped) events.event(periodic, 'Warning', 'Stopped', stopped.message, 'Stop');
  if (stopped === undefined && wasStopped) events.event(periodic, 'Normal', 'Resumed', 'The schedule goes on', 'Resume');
}

function tellSettled(events: EventSink, periodic: KubeObject, { settled, refusals }: Outcome): void {
  const reasons = (outcome: SlotDecision['outcome']): readonly string[] =>
    settled.flatMap((decision) => (decision.outcome === outcome && decision.outcome !== 'start' ? [decision.reason] : []));
  const skips = new Set(reasons('skip'));
  for (const [reason, note] of skipNotes) if (skips.has(reason)) events.event(periodic, 'Normal', 'SlotSkipped', note, 'Skip');
  for (const { reason, message } of refusals) events.event(periodic, 'Warning', reason, message, 'Start');
  const refused = new Set<string>(refusals.map(({ reason }) => reason));
  const misses = reasons('miss').filter((reason) => !refused.has(reason));
  if (misses.length > 0) events.event(periodic, 'Warning', 'SlotsMissed', missNote(misses), 'Miss');
  if (reasons('drop').includes('LaterSlot'))
    events.event(periodic, 'Normal', 'RetryDropped', 'A run is not repeated because a later slot has started', 'Skip');
}

function missNote(misses: readonly string[]): string {
  const were = misses.length === 1 ? 'slot was' : 'slots were';
  return `${misses.length} ${were} missed (${[...new Set(misses)].sort().join(', ')}); status.missed names the latest`;
}

export function tellReplaced(events: EventSink, object: Periodic, runs: readonly ProwJob[]): void {
  const periodic = withKind(periodics, object);
  for (const run of runs)
    events.event(periodic, 'Normal', 'RunReplaced', `Asked ${run.metadata.name} to end, because a later slot replaces it`, 'Abort');
}
