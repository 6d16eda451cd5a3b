import { describe, expect, it } from 'vitest';
import { FakeClock } from '../runtime/testing/fakeClock.ts';
import { SettingsError } from './loadSettings.ts';
import { SettingsWatcher, type SettingsChange } from './settingsWatcher.ts';

async function open(text: string) {
  const clock = new FakeClock();
  const changes: SettingsChange[] = [];
  const errors: Error[] = [];
  const file = { text, failure: undefined as Error | undefined };
  const watcher = await SettingsWatcher.open({
    file: 's.yaml',
    read: () => (file.failure === undefined ? Promise.resolve(file.text) : Promise.reject(file.failure)),
    clock,
    onChange: (change) => changes.push(change),
    onError: (error) => errors.push(error),
  });
  const abort = new AbortController();
  const ended = watcher.run(abort.signal);
  return { watcher, clock, changes, errors, file, stop: () => (abort.abort(), ended) };
}

describe('SettingsWatcher', () => {
  it('takes a new content within the interval, once', async () => {
    const { watcher, clock, changes, file, stop } = await open('prowJobs: {maxConcurrency: 1}');
    file.text = 'prowJobs: {maxConcurrency: 2}\nserver: {port: 1}';
    await clock.advance(4_999);
    expect(watcher.current.prowJobs.maxConcurrency).toBe(1);
    await clock.advance(1);
    expect(watcher.current.prowJobs.maxConcurrency).toBe(2);
    await clock.advance(60_000);
    expect(changes).toHaveLength(1);
    expect(changes[0]).toMatchObject({ previous: { prowJobs: { maxConcurrency: 1 } }, needRestart: ['server'] });
    await stop();
  });

  it('keeps what holds when the new content has a fault, and says so once', async () => {
    const { watcher, clock, changes, errors, file, stop } = await open('prowJobs: {maxConcurrency: 1}');
    file.text = 'prowJobs: {maxConcurrency: x}';
    await clock.advance(60_000);
    expect([watcher.current.prowJobs.maxConcurrency, watcher.isHealthy]).toEqual([1, false]);
    expect(errors.map((error) => error.message)).toEqual(['s.yaml:1:28: prowJobs.maxConcurrency: must be a whole number, found "x"']);
    file.text = 'prowJobs: {maxConcurrency: 3}';
    await clock.advance(5_000);
    expect([watcher.current.prowJobs.maxConcurrency, watcher.isHealthy]).toEqual([3, true]);
    expect(changes).toHaveLength(1);
    await stop();
  });

  it('keeps what holds while the file cannot be read, and says so once until it can', async () => {
    const { watcher, clock, errors, file, stop } = await open('');
    file.failure = new Error('ENOENT: no such file');
    await clock.advance(30_000);
    expect(errors).toEqual([file.failure]);
    expect([watcher.current.server.port, watcher.isHealthy]).toEqual([8080, false]);
    file.failure = undefined;
    await clock.advance(5_000);
    expect(watcher.isHealthy).toBe(true);
    file.failure = new Error('ENOENT: no such file');
    await clock.advance(5_000);
    expect(errors).toHaveLength(2);
    await stop();
  });

  it('says nothing about a content that means the same', async () => {
    const { clock, changes, file, stop } = await open('');
    file.text = '# a comment\n';
    await clock.advance(5_000);
    expect(changes).toEqual([]);
    await stop();
  });

  it('is well again when a fault is taken back', async () => {
    const { watcher, clock, changes, file, stop } = await open('prowJobs: {maxConcurrency: 1}');
    file.text = 'nonsense: 1';
    await clock.advance(5_000);
    expect(watcher.isHealthy).toBe(false);
    file.text = 'prowJobs: {maxConcurrency: 1}';
    await clock.advance(5_000);
    expect([watcher.isHealthy, changes]).toEqual([true, []]);
    await stop();
  });

  it('does not start on a fault', async () => {
    await expect(open('nonsense: 1')).rejects.toBeInstanceOf(SettingsError);
  });

  it('leaves no timer behind', async () => {
    const { clock, stop } = await open('');
    await stop();
    expect(clock.pendingTimers).toBe(0);
  });
});
