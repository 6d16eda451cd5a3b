/**
 * The log of a schedule: one line for each run it started, and one for the slots to which a pass did the same for
 * the same reason, however many there were.
 */
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { SlotDecision } from '../../operator/jobs/periodicDecisions.ts';
import type { LogFields, Logger } from '../../operator/runtime/logger.ts';
import type { StartedRun } from './steps/carryOut.ts';
import { stamp } from '../../operator/jobs/times.ts';

/** Runs that were asked to end. */
export function logReplaced(periodic: Periodic, runs: readonly ProwJob[], logger: Logger): void {
  for (const run of runs) logger.info('Run asked to end for a later slot', { ...objectOf(periodic), run: run.metadata.name });
}

/** Runs that this pass created; to be told once they exist, whatever becomes of the status. */
export function logStarted(periodic: Periodic, started: readonly StartedRun[], logger: Logger): void {
  for (const { cause, decision, run, created } of started) {
    if (!created) continue;
    const by =
      cause.kind === 'slot'
        ? { slot: stamp(cause.slotMs), ...(cause.attempt === undefined || cause.attempt === 1 ? {} : { attempt: cause.attempt }) }
        : { token: cause.token };
    logger.info('Run created', { ...objectOf(periodic), run: run.metadata.name, cause: decision?.cause ?? cause.kind, ...by });
  }
}

const messages = { wait: 'Slots wait', skip: 'Slots skipped', miss: 'Slots missed', drop: 'Repetitions dropped' } as const;

/** Slots that did not start, once status says so. */
export function logSettled(periodic: Periodic, settled: readonly SlotDecision[], logger: Logger): void {
  const groups = new Map<string, { readonly message: string; readonly reason: string; slots: number; latestMs: number }>();
  for (const decision of settled) {
    if (decision.outcome === 'start') continue;
    const { outcome, reason, slotMs } = decision;
    const group = groups.get(`${outcome} ${reason}`);
    if (group === undefined) {
      groups.set(`${outcome} ${reason}`, { message: messages[outcome], reason, slots: 1, latestMs: slotMs });
    } else {
      group.slots += 1;
      group.latestMs = Math.max(group.latestMs, slotMs);
    }
  }
  for (const { message, reason, slots, latestMs } of groups.values()) {
    logger.info(message, { ...objectOf(periodic), reason, slots, latest: stamp(latestMs) });
  }
}

const objectOf = ({ metadata }: Periodic): LogFields => ({ namespace: metadata.namespace, name: metadata.name });
