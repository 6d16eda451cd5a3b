/** Runs the list against one server (see target.ts) in a namespace of its own, which is removed at the end. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Api } from './api.ts';
import { customResources, installWidgets, removeWidgets } from './customResources.ts';
import { type Area, type Context, create, eventually, gone, read } from './expectation.ts';
import { history, lists, watches } from './listsAndWatches.ts';
import { namespaces, owners } from './namespacesAndOwners.ts';
import { objects } from './objects.ts';
import { patches } from './patches.ts';
import { podRules } from './podRules.ts';
import { podsArea } from './podsArea.ts';
import { installProwKinds, prowKinds } from './prowKinds.ts';
import { rules } from './rules.ts';
import { others, server } from './serverAndOthers.ts';
import { openTarget } from './target.ts';

const areas: readonly Area[] = [
  objects,
  lists,
  watches,
  patches,
  customResources,
  prowKinds,
  namespaces,
  owners,
  podsArea,
  podRules,
  ...rules,
  others,
  server,
  history,
];

const target = await openTarget();
const api = new Api(target);
const namespace = `conformance-${randomBytes(4).toString('hex')}`;
let made = 0;
/** By area: how many expectations held. */
const held = new Map<string, number>(areas.map(({ area }) => [area, 0]));
const ctx: Context = {
  api,
  namespace,
  image: process.env.E2E_IMAGE ?? 'busybox:1.37',
  name: (prefix) => `${prefix}-${(made += 1)}`,
  compact: () => target.compact(),
};

beforeAll(async () => {
  await create(ctx, '/api/v1/namespaces', { metadata: { name: namespace } });
  await eventually(() => read(ctx, `/api/v1/namespaces/${namespace}/serviceaccounts/default`));
  await installWidgets(ctx);
  await installProwKinds(ctx);
});

afterAll(async () => {
  await removeWidgets(ctx);
  await api.delete(`/api/v1/namespaces/${namespace}`);
  await gone(ctx, `/api/v1/namespaces/${namespace}`);
  await api.close();
  await target.close();
  process.stdout.write(tally());
}, 60_000);

/** One line an area, for whoever compares two servers. */
function tally(): string {
  const rows = areas.map(({ area, expectations }) => {
    const left = expectations.filter(({ needs }) => needs !== undefined && !target.can.has(needs)).length;
    const count = `${held.get(area) ?? 0} of ${expectations.length - left}`;
    return `  ${count.padStart(9)}  ${area}${left === 0 ? '' : ` (${left} more need what this server has not)`}\n`;
  });
  return `${target.name}: expectations that held\n${rows.join('')}`;
}

describe(`a Kubernetes API (${target.name})`, () => {
  for (const { area, alone, expectations } of areas) {
    describe(area, { concurrent: alone !== true }, () => {
      for (const { says, needs, check } of expectations) {
        const run = async (): Promise<void> => {
          await check(ctx);
          held.set(area, (held.get(area) ?? 0) + 1);
        };
        it.skipIf(needs !== undefined && !target.can.has(needs))(says, run, 60_000);
      }
    });
  }
});

describe('the list', () => {
  it('has each expectation once', () => {
    const all = areas.flatMap(({ expectations }) => expectations.map(({ says }) => says));
    expect(new Set(all).size).toBe(all.length);
    expect(all.length).toBeGreaterThanOrEqual(260);
  });
});
