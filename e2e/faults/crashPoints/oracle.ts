/**
 * What of a pass may not depend on a crash: all objects at the end, the kept results, every pod that ever was, and which writes were sent how often.
 * Only what is made up anew each time (uids, versions, build ids) is replaced, by numbers in the order of appearance.
 */
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { KubeObject } from '../../../operator/kube/objects.ts';
import { pods } from '../../../operator/kube/builtin.ts';
import type { ResourceType } from '../../../operator/kube/resource.ts';
import type { PlayedCluster } from './cluster.ts';
import { ownTypes } from './kinds.ts';
import type { Scenario } from './scenario.ts';
import type { World } from './world.ts';

export interface Record {
  /** "home prowjobs/nightly" → the object, in words that can be compared. */
  readonly objects: ReadonlyMap<string, string>;
  readonly podsEver: readonly string[];
  /** What was written → how often. */
  readonly writes: ReadonlyMap<string, number>;
  readonly events: ReadonlyMap<string, number>;
  readonly errors: readonly string[];
}

export function recordOf(world: World, { losesTime = false, allowed }: Pick<Scenario, 'losesTime' | 'allowed'>): Record {
  const numbers = new Numbers(losesTime, allowed?.lost ?? []);
  const objects = new Map<string, string>();
  for (const cluster of [world.home, world.east]) {
    for (const type of [...ownTypes, pods as unknown as ResourceType]) collect(objects, cluster, type, numbers);
  }
  for (const [file, text] of filesOf(world.archive)) objects.set(`archive ${numbers.plain(file)}`, numbers.plain(text));
  return {
    objects,
    podsEver: [...world.home.podsEver, ...world.east.podsEver.map((name) => `east: ${name}`)].sort(),
    writes: world.ledger.tally('state', 'store'),
    events: world.ledger.tally('event'),
    errors: world.errors.map((error) => numbers.plain(error)),
  };
}

function collect(objects: Map<string, string>, cluster: PlayedCluster, type: ResourceType, numbers: Numbers): void {
  for (const object of cluster.list<KubeObject & { readonly spec?: unknown; readonly status?: unknown }>(type)) {
    const { resourceVersion: _version, managedFields: _fields, creationTimestamp: _created, ...metadata } = object.metadata;
    const where = `${cluster.name === '' ? 'home' : cluster.name} ${type.plural}/${object.metadata.name}`;
    const { spec, status } = object;
    const known = { ...object, metadata, spec, status };
    objects.set(where, numbers.plain(JSON.stringify(numbers.sorted(known), undefined, 1)));
  }
}

function filesOf(dir: string): readonly (readonly [string, string])[] {
  let entries;
  try {
    entries = readdirSync(dir, { recursive: true, withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .sort()
    .map((file) => [path.relative(dir, file), readFileSync(file, 'utf8')] as const);
}

class Numbers {
  readonly #losesTime: boolean;
  readonly #lost: readonly string[];
  readonly #numbers = new Map<string, string>();

  constructor(losesTime: boolean, lost: readonly string[]) {
    this.#losesTime = losesTime;
    this.#lost = lost;
  }

  /** A value without the fields that may be lost, and with its keys in one order: a patch may add them in another. */
  sorted(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.sorted(item));
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value).filter(([key]) => !this.#lost.includes(key));
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, child]) => [key, this.sorted(child)]));
  }

  plain(text: string): string {
    const named = text
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, (uid) => this.#number('uid', uid))
      .replace(/(?<!\d)\d{19}(?!\d)/g, (id) => this.#number('build', id))
      .replace(/https:\/\/127\.0\.0\.1:\d+/g, 'https://server')
      .replace(/"resourceVersion": ?"\d+"/g, '"resourceVersion": "0"')
      .replace(/file:\/\/[^" ]*\/archive/g, 'file://archive');
    return this.#losesTime ? named.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, 'TIME') : named;
  }

  #number(kind: string, text: string): string {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const name = `${kind}-${this.#numbers.size + 1}`;
    this.#numbers.set(text, name);
    return name;
  }
}

/** In what the second differs from the first, a line each; empty when it does not. */
export function differences(calm: Record, crashed: Record, allowed: (what: string) => number = () => 0): string[] {
  const found: string[] = [];
  for (const name of new Set([...calm.objects.keys(), ...crashed.objects.keys()])) {
    const [a, b] = [calm.objects.get(name), crashed.objects.get(name)];
    if (a === b) continue;
    if (a === undefined) found.push(`${name} is there, and was not without the crash`);
    else if (b === undefined) found.push(`${name} is not there`);
    else found.push(`${name} differs:`, ...linesThatDiffer(a, b));
  }
  if (calm.podsEver.join() !== crashed.podsEver.join())
    found.push(`pods ever created: ${crashed.podsEver.join(' ')}, without the crash: ${calm.podsEver.join(' ')}`);
  for (const [what, count] of tallyDifference(calm.writes, crashed.writes))
    if (Math.abs(count) > allowed(what)) found.push(`${count > 0 ? '+' : ''}${count} × ${what}`);
  for (const [what, count] of tallyDifference(calm.events, crashed.events)) if (count > 0) found.push(`+${count} × ${what}`);
  for (const error of crashed.errors) if (!calm.errors.includes(error)) found.push(`logged as an error: ${error}`);
  return found;
}

function tallyDifference(calm: ReadonlyMap<string, number>, crashed: ReadonlyMap<string, number>): readonly (readonly [string, number])[] {
  const all = new Set([...calm.keys(), ...crashed.keys()]);
  return [...all].map((what) => [what, (crashed.get(what) ?? 0) - (calm.get(what) ?? 0)] as const).filter(([, count]) => count !== 0);
}

function linesThatDiffer(a: string, b: string): readonly string[] {
  const [before, after] = [a.split('\n'), b.split('\n')];
  const gone = before.filter((line) => !after.includes(line)).map((line) => `  - ${line.trim()}`);
  const come = after.filter((line) => !before.includes(line)).map((line) => `  + ${line.trim()}`);
  return gone.length + come.length > 0 ? [...gone, ...come].slice(0, 20) : ['  the same lines in another order'];
}
