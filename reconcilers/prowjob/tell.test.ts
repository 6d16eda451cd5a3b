/** What the log and the Events say: one line for each transition, an Event only for what somebody may have to look at. */
import { expect, it } from 'vitest';
import { planAttempt } from '../../operator/jobs/podBuilder.ts';
import { defaultPolicy } from '../../operator/jobs/policy.ts';
import { RecordingLogger } from '../../operator/runtime/testing/recordingLogger.ts';
import type { ProwJobStatus } from '../../crds/v1/prowJob.ts';
import type { News } from './status.ts';
import { tell } from './tell.ts';
import { aRun, pendingRun, podOf } from './testing/builders.ts';

interface Row {
  readonly name: string;
  readonly news: News;
  /** As it was written. */
  readonly status: ProwJobStatus;
  readonly line: string;
  /** Beside namespace, name, job and state. */
  readonly fields: Record<string, unknown>;
  readonly event?: string;
}

const run = aRun({ name: 'r', spec: { job: 'unit' } });
const first = pendingRun({ name: 'r' }).status!;
const second = pendingRun({ name: 'r' }, 2).status!;
const lost = { kind: 'over', cause: 'Evicted', state: 'error', message: 'Gone.' } as const;

const rows: readonly Row[] = [
  {
    name: 'a start',
    news: { kind: 'started', plan: planAttempt(run, 1, defaultPolicy) },
    status: first,
    line: 'info Run started',
    fields: { attempt: 1, pod: 'r' },
  },
  {
    name: 'a second attempt',
    news: { kind: 'started', plan: planAttempt(run, 2, defaultPolicy), end: lost },
    status: second,
    line: 'info Run goes on with its next attempt',
    fields: { attempt: 2, pod: 'r-2', reason: 'Evicted' },
    event: 'Warning Evicted',
  },
  {
    name: 'a pod that was there',
    news: { kind: 'adopted', pod: podOf(run) },
    status: first,
    line: 'info Run started',
    fields: { attempt: 1, pod: 'r', reason: 'PodAdopted' },
    event: 'Normal PodAdopted',
  },
  {
    name: 'a wait',
    news: { kind: 'waiting', waiting: { reason: 'QueueFull', message: 'Full.' } },
    status: { state: 'triggered' },
    line: 'info Run waits',
    fields: { reason: 'QueueFull' },
    event: 'Normal QueueFull',
  },
  { name: 'the end of a wait', news: { kind: 'waiting' }, status: { state: 'triggered' }, line: 'debug Run waits no longer', fields: {} },
  {
    name: 'a success',
    news: { kind: 'finished', state: 'success', reason: 'Succeeded', description: 'Well.' },
    status: { ...first, state: 'success' },
    line: 'info Run ended',
    fields: { attempt: 1, pod: 'r', reason: 'Succeeded' },
  },
  {
    name: 'a failure',
    news: { kind: 'finished', state: 'failure', reason: 'TestFailed', description: 'No.' },
    status: { ...first, state: 'failure' },
    line: 'info Run ended',
    fields: { attempt: 1, pod: 'r', reason: 'TestFailed' },
    event: 'Warning TestFailed',
  },
  {
    name: 'an abort that somebody asked for',
    news: { kind: 'finished', state: 'aborted', reason: 'Aborted', description: 'Enough.' },
    status: { ...first, state: 'aborted' },
    line: 'info Run ended',
    fields: { attempt: 1, pod: 'r', reason: 'Aborted' },
    event: 'Normal Aborted',
  },
  {
    name: 'an abort by a deadline, before any pod',
    news: { kind: 'finished', state: 'error', reason: 'QueueTimeout', description: 'Late.' },
    status: { state: 'error' },
    line: 'info Run ended',
    fields: { reason: 'QueueTimeout' },
    event: 'Warning QueueTimeout',
  },
];

it.each(rows)('$name', ({ news, status, line, fields, event }) => {
  const logger = new RecordingLogger();
  const events: string[] = [];
  tell({ ...run, status }, news, { logger, events: { event: (_object, type, reason) => void events.push(`${type} ${reason}`) } });
  expect(logger.lines.map(({ level, message }) => `${level} ${message}`)).toEqual([line]);
  expect(logger.lines[0]?.fields).toEqual({ namespace: 'ci', name: 'r', job: 'unit', state: status.state, ...fields });
  expect(events).toEqual(event === undefined ? [] : [event]);
});
