/** The instrument itself: it finds what a crash changed, says where, and does not take one write for another. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { faultAt, openClusters, playOnce } from './drive.ts';
import { Ledger } from './ledger.ts';
import { differences, type Record } from './oracle.ts';
import { run, type Scenario } from './scenario.ts';
import { WatchView, type Change } from './watchView.ts';
import type { Clusters } from './world.ts';

describe('a scenario that goes wrong after a crash', () => {
  let clusters: Clusters;
  beforeAll(async () => {
    clusters = await openClusters();
  }, 60_000);
  afterAll(async () => {
    await clusters.home.close();
    await clusters.east.close();
  });

  /** As if the new process did something that the old one would not have done. */
  const faulty: Scenario = {
    name: 'faulty',
    writes: 3,
    play: async (world) => {
      run(world, 'plain');
      await world.settle();
      if (world.ledger.isReached) run(world, 'again');
      await world.settle();
    },
  };

  it('is told with the write, what differs, and how to play it again', { timeout: 60_000 }, async () => {
    const calm = await playOnce(clusters, faulty);
    expect(calm.writes.map(({ what }) => what)).toEqual(['PATCH prowjobs/plain/status', 'POST pods/plain', 'PATCH prowjobs/plain/status']);
    const fault = await faultAt(clusters, faulty, { calm, number: 2, when: 'after' });
    for (const words of [
      'A crash after POST pods/plain (1), write 2 of faulty:',
      'home prowjobs/again is there, and was not without the crash',
      'pods ever created: again plain, without the crash: plain',
      '+1 × POST pods/again',
      "CRASH_POINT='faulty:2:after' vitest run",
    ])
      expect(fault).toContain(words);
  });
});

describe('a ledger', () => {
  it('finds its write by what it does and how often that was done, and only once', () => {
    const ledger = new Ledger({ channel: 'state', what: 'PATCH a', nth: 2, when: 'before' });
    const fates = ['PATCH a', 'PATCH b', 'PATCH a', 'PATCH a'].map((what) => ledger.begin('state', what));
    expect(fates).toEqual(['live', 'live', 'before', 'live']);
    expect([...ledger.tally('state')]).toEqual([
      ['PATCH a', 2],
      ['PATCH b', 1],
    ]);
    expect([...ledger.tally('event')]).toEqual([]);
  });
});

describe('differences', () => {
  const record = (more: Partial<Record> = {}): Record => ({
    objects: new Map([['home prowjobs/a', '{\n "state": "success"\n}']]),
    podsEver: ['a'],
    writes: new Map([['PATCH a', 2]]),
    events: new Map([['tell X', 1]]),
    errors: [],
    ...more,
  });

  it.each<{ readonly name: string; readonly after: Partial<Record>; readonly want: readonly string[] }>([
    { name: 'none', after: {}, want: [] },
    { name: 'a lost Event, which nobody sends again', after: { events: new Map() }, want: [] },
    { name: 'an Event that is told twice', after: { events: new Map([['tell X', 2]]) }, want: ['+1 × tell X'] },
    { name: 'a write too many', after: { writes: new Map([['PATCH a', 3]]) }, want: ['+1 × PATCH a'] },
    { name: 'a write too few', after: { writes: new Map() }, want: ['-2 × PATCH a'] },
    { name: 'an object that is gone', after: { objects: new Map() }, want: ['home prowjobs/a is not there'] },
    {
      name: 'an object that is another',
      after: { objects: new Map([['home prowjobs/a', '{\n "state": "error"\n}']]) },
      want: ['home prowjobs/a differs:', '  - "state": "success"', '  + "state": "error"'],
    },
    { name: 'an error in the log', after: { errors: ['oh'] }, want: ['logged as an error: oh'] },
  ])('$name', ({ after, want }) => {
    expect(differences(record(), record(after))).toEqual(want);
  });
});

describe('the view of a watch', () => {
  const change = (revision: number, more: Partial<Change> = {}): Change => ({
    namespace: 'default',
    name: 'a',
    labels: {},
    revision,
    ...more,
  });
  const view = (query: string): WatchView =>
    new WatchView(undefined as never, `/api/v1/namespaces/default/pods?watch=true&resourceVersion=5${query}`);

  it.each([
    { name: 'nothing has happened since', query: '', changes: [change(5)], want: true },
    { name: 'it has something to show', query: '', changes: [change(6)], want: false },
    { name: 'what happened is elsewhere', query: '', changes: [change(6, { namespace: 'other' })], want: true },
    { name: 'what happened has not its label', query: '&labelSelector=ours%3Dtrue', changes: [change(6)], want: true },
    {
      name: 'what happened has its label',
      query: '&labelSelector=ours%3Dtrue',
      changes: [change(6, { labels: { ours: 'true' } })],
      want: false,
    },
    { name: 'what happened has not its name', query: '&fieldSelector=metadata.name%3Db', changes: [change(6)], want: true },
  ])('$name', ({ query, changes, want }) => {
    expect(view(query).hasSeen(changes)).toBe(want);
  });

  it('reads a version that is cut in two', () => {
    const seen = view('');
    seen.see(Buffer.from('{"metadata":{"resourceVersion":"1'));
    seen.see(Buffer.from('2"}}'));
    expect([seen.hasSeen([change(12)]), seen.hasSeen([change(13)])]).toEqual([true, false]);
  });
});
