/**
 * The API server is restored from an older state while the operator works, or while it is down: versions go back, objects that it has seen
 * are gone, objects that it has deleted are there again. A process with a lease ends and is started anew; one without recovers in place.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { periodics, prowJobs } from '../../crds/resources.ts';
import { isNotFound } from '../../operator/kube/errors.ts';
import { forever, periodic, prowJob } from '../scenarios/manifests.ts';
import { Arena, namespace, until, type Running } from './arena.ts';

let arena: Arena;
afterEach(() => arena.close());

const timeoutMs = 60_000;
const settings = { cleanup: { orphanAge: '1s' } } as const;

const isThere = (name: string): Promise<boolean> =>
  arena.run(name).then(
    () => true,
    (error: unknown) => {
      if (isNotFound(error)) return false;
      throw error;
    },
  );

/** Before the backup: one run that has ended, one that goes on, a schedule. */
async function firstAct(): Promise<void> {
  await arena.apply(prowJobs, prowJob('before', 'true'));
  await arena.apply(prowJobs, prowJob('endless', forever));
  await arena.apply(periodics, periodic('ticking', 'true', { cron: '@every 2s', concurrencyPolicy: 'Allow' }));
  expect(await arena.endOf('before')).toBe('success Succeeded');
  await until('endless to run', async () => (await arena.run('endless')).status?.state === 'pending');
}

/** After the backup, and so never: runs that ended, went on, were deleted. */
async function secondAct(): Promise<void> {
  await arena.apply(prowJobs, prowJob('after', 'true'));
  await arena.apply(prowJobs, prowJob('unfinished', forever));
  expect(await arena.endOf('after')).toBe('success Succeeded');
  await until('unfinished to run', async () => (await arena.run('unfinished')).status?.state === 'pending');
  await arena.client.delete(prowJobs, { namespace, name: 'before' });
  // As in a cluster where much else goes on: the version does not get there again while somebody waits for it.
  await arena.age(2_000);
}

/** What is there is what was backed up, and the operator goes on from there. */
async function lastAct(before: { readonly completionTime?: string | undefined }): Promise<void> {
  expect([await isThere('after'), await isThere('unfinished')]).toEqual([false, false]);
  for (const name of ['after', 'unfinished', 'new']) await arena.apply(prowJobs, prowJob(name, 'true'));
  for (const name of ['after', 'unfinished', 'new']) expect([name, await arena.endOf(name)]).toEqual([name, 'success Succeeded']);
  expect((await arena.run('before')).status).toMatchObject({ state: 'success', completionTime: before.completionTime });
  const slots = async (): Promise<number> =>
    (await arena.client.list(prowJobs, { namespace })).items.filter(({ metadata }) => metadata.name.startsWith('ticking-')).length;
  const known = await slots();
  await until('the schedule to go on', async () => (await slots()) > known);
  // Its pod ended with the sandbox: an attempt that was lost, and another one.
  await until('endless to run again', async () => ((await arena.run('endless')).status?.attempts?.length ?? 0) > 1);
}

const saidRestored = ({ logger }: Running): boolean =>
  logger.lines.some(({ level, message, fields }) => level !== 'debug' && `${message} ${String(fields.error)}`.includes('older state'));

describe('an API server that is restored from an older state', () => {
  it(
    'while the operator works: it notices by its lease, ends with 1, and the next process goes on from what is there',
    async () => {
      arena = await Arena.open();
      const first = await arena.start('first', { settings, lease: {} });
      let exit = '';
      void first.operator.exited.then(({ reason, exitCode }) => (exit = `${reason} ${exitCode}`));
      await firstAct();
      await arena.backUp();
      const { status: before } = await arena.run('before');
      // An API server that was merely away is no reason to end.
      await secondAct();
      expect(exit).toBe('');
      await arena.restore();
      await until('the operator to end', () => exit !== '');
      expect(exit).toBe('leaseLost 1');
      expect(saidRestored(first)).toBe(true);
      await arena.start('second', { settings, lease: {} });
      await lastAct(before ?? {});
    },
    timeoutMs,
  );

  it(
    'while an operator without a lease works: its caches go back, and it goes on',
    async () => {
      arena = await Arena.open();
      const only = await arena.start('only', { settings });
      await firstAct();
      await arena.backUp();
      const { status: before } = await arena.run('before');
      await secondAct();
      await arena.restore();
      await lastAct(before ?? {});
      expect(saidRestored(only)).toBe(true);
      expect(only.operator.kit.manager.phase).toBe('leading');
    },
    timeoutMs,
  );

  it(
    'while the operator is down: the next process goes on from what is there',
    async () => {
      arena = await Arena.open();
      const first = await arena.start('first', { settings, lease: {} });
      await firstAct();
      await arena.backUp();
      const { status: before } = await arena.run('before');
      await secondAct();
      await first.stop();
      await arena.restore();
      await arena.start('second', { settings, lease: {} });
      await lastAct(before ?? {});
    },
    timeoutMs,
  );
});
