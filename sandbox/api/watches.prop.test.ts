/** A client that lists at some revision and follows the watch from there must end with what a fresh list shows, whatever happened. */
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StoredObject } from '../storage/storage.ts';
import { inMemory, settle } from '../testing/inMemory.ts';
import type { InMemory } from '../testing/inMemory.ts';
import { Lister, selectorOf } from './lists.ts';
import { WatchHub } from './watches.ts';

interface Step {
  readonly name: string;
  /** Undefined: delete. */
  readonly label: string | undefined;
}

const steps = fc.array(
  fc.record<Step>({ name: fc.constantFrom('a', 'b', 'c'), label: fc.option(fc.constantFrom('in', 'out'), { nil: undefined }) }),
  { maxLength: 30 },
);

/** The part of a response that a watch uses; collects what is written. */
class Sink extends EventEmitter {
  text = '';
  readonly writableEnded = false;
  readonly writableLength = 0;
  writeHead(): void {
    this.text = '';
  }
  flushHeaders(): void {
    this.text = '';
  }
  write(chunk: string): void {
    this.text += chunk;
  }
  end(chunk = ''): void {
    this.text += chunk;
  }
}

function apply(world: InMemory, { name, label }: Step): void {
  const info = world.info('configmaps');
  const key = { namespace: 'default', name };
  const exists = world.service.find(info, key) !== undefined;
  if (label === undefined) {
    if (exists) world.service.delete(info, key);
  } else if (exists) world.service.modify(info, key, (object) => ({ ...object, metadata: { ...object.metadata, labels: { at: label } } }));
  else world.service.create(info, 'default', { metadata: { name, labels: { at: label } } });
}

const contents = (objects: Iterable<StoredObject>): string[] =>
  [...objects].map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion ?? ''}`).sort();

describe('list and watch', () => {
  it('agree, with and without a selector, from every revision', async () => {
    await fc.assert(
      fc.asyncProperty(steps, steps, fc.constantFrom('', 'at=in', 'at notin (in)'), async (before, after, labelSelector) => {
        const world = inMemory();
        const info = world.info('configmaps');
        const query = new URLSearchParams({ labelSelector });
        const lister = new Lister(world.storage, world.service);
        const hub = new WatchHub(world.storage, world.service, 1_000_000);
        for (const step of before) apply(world, step);
        const start = lister.list(info, 'default', query);
        const half = Math.floor(after.length / 2);
        // Half of the changes lie between list and watch, half come while it is open.
        for (const step of after.slice(0, half)) apply(world, step);
        const sink = new Sink();
        const request = {
          info,
          namespace: 'default',
          predicate: selectorOf(info, query),
          bookmarks: false,
          sendInitialEvents: false,
          timeoutMs: 1_000_000,
        };
        hub.start({ ...request, revision: start.revision }, sink as unknown as ServerResponse);
        for (const step of after.slice(half)) apply(world, step);
        await settle();
        hub.closeAll();

        const seen = new Map(start.items.map((object) => [object.metadata.name, object]));
        for (const line of sink.text.split('\n').filter((text) => text !== '')) {
          const { type, object } = JSON.parse(line) as { type: string; object: StoredObject };
          expect(type === 'ADDED', `${type} of ${object.metadata.name}`).toBe(!seen.has(object.metadata.name));
          if (type === 'DELETED') seen.delete(object.metadata.name);
          else seen.set(object.metadata.name, object);
        }
        expect(contents(seen.values())).toEqual(contents(lister.list(info, 'default', query).items));
        const past = lister.list(
          info,
          'default',
          new URLSearchParams({ labelSelector, resourceVersion: String(start.revision), resourceVersionMatch: 'Exact' }),
        );
        expect(contents(past.items)).toEqual(contents(start.items));
      }),
      { numRuns: 150 },
    );
  });

  it('pages are one consistent list although objects come and go between them', () => {
    fc.assert(
      fc.property(steps, steps, fc.integer({ min: 1, max: 3 }), (before, between, limit) => {
        const world = inMemory();
        const info = world.info('configmaps');
        const lister = new Lister(world.storage, world.service);
        for (const step of before) apply(world, step);
        const whole = lister.list(info, 'default', new URLSearchParams());
        const paged: StoredObject[] = [];
        let token: string | undefined = '';
        for (let page = 0; token !== undefined; page++) {
          const result = lister.list(info, 'default', new URLSearchParams({ limit: String(limit), continue: token }));
          paged.push(...result.items);
          token = result.continueToken;
          const step = between[page];
          if (step !== undefined) apply(world, step);
        }
        expect(contents(paged)).toEqual(contents(whole.items));
      }),
    );
  });
});
