/** `prow-operator run` with more than one shard: what a single operator is wired to, once for each shard that the process leads. */
import { settingsOfShard } from '../config/shardSettings.ts';
import type { Settings } from '../config/settings.ts';
import type { OperatorKit } from '../runtime/operatorKit.ts';
import { ShardedHost, type ShardedHostOptions, type ShardPlace } from '../runtime/shardedHost.ts';
import { setUpControllers } from './controllers.ts';

export interface ShardedOperation extends Omit<ShardedHostOptions, 'name' | 'setup'> {
  readonly settings: () => Settings;
  /** Calls fn after each change of the settings, until the function that it returns is called. */
  readonly changed: (fn: () => void) => () => void;
}

export function shardedOperator({ settings, changed, ...options }: ShardedOperation): ShardedHost {
  const setup = (kit: OperatorKit, { shard, count, owns }: ShardPlace): (() => void) =>
    changed(setUpControllers(kit, { settings: () => settingsOfShard(settings(), shard, count), owns }).settingsChanged);
  return new ShardedHost({ ...options, name: 'prow-operator', setup });
}
