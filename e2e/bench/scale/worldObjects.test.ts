import { describe, expect, it } from 'vitest';
import { validateManifests } from '../../../crds/validate.ts';
import { isComplete } from '../../../operator/jobs/runState.ts';
import { runningPod, schedule, startedRun } from './worldObjects.ts';

const nowMs = Date.UTC(2026, 0, 1, 12);
const periodic = schedule(7, 'team', nowMs);
const finished = startedRun(periodic, nowMs, nowMs + 120_000);
const running = startedRun(periodic, nowMs + 60_000, undefined);

describe('objects of a busy installation', () => {
  it.each([
    ['a schedule', periodic],
    ['a finished run', finished],
    ['a run that is running', running],
  ])('%s is one that an API server would have taken', (_what, object) => {
    const { managedFields, ...metadata } = object.metadata;
    expect(managedFields?.length).toBeGreaterThan(0);
    expect(validateManifests([{ file: 'object.yaml', text: JSON.stringify({ ...object, metadata }) }])).toMatchObject({
      problems: [],
      checked: 1,
    });
  });

  it('are as large as real ones, and the same each time', () => {
    expect(JSON.stringify(finished).length).toBeGreaterThan(4_000);
    expect(startedRun(schedule(7, 'team', nowMs), nowMs, nowMs + 120_000)).toStrictEqual(finished);
    expect(startedRun(schedule(8, 'team', nowMs), nowMs, nowMs + 120_000).metadata.uid).not.toBe(finished.metadata.uid);
  });

  it('have ended or not, as was asked for, and their pods belong to them', () => {
    expect([isComplete(finished), isComplete(running)]).toEqual([true, false]);
    expect(runningPod(running, nowMs).metadata.labels).toMatchObject({ 'prow.k8s.io/run-uid': running.metadata.uid });
  });
});
