/** One sandbox for the tests of a file, operators that are stopped after each test, and nothing left over for the next. */
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { prowJobs } from '../../../crds/resources.ts';
import { pods } from '../../../operator/kube/builtin.ts';
import { World, namespace, type Operator, type OperatorOptions } from './world.ts';

export interface Suite {
  readonly world: () => World;
  readonly start: (options?: OperatorOptions) => Promise<Operator>;
  /** A second pass over a settled run writes nothing. */
  readonly expectSettled: (operator: Operator, name: string) => Promise<void>;
}

/** Called once, at the top of a test file. */
export function suite(): Suite {
  let current: World | undefined;
  let operators: Operator[] = [];
  const world = (): World => {
    if (current === undefined) throw new Error('the world is not open yet');
    return current;
  };
  beforeAll(async () => {
    current = await World.open();
  });
  afterAll(() => current?.close());
  afterEach(async () => {
    for (const operator of operators) await operator.stop();
    operators = [];
    const { client } = world();
    for (const run of (await client.list(prowJobs, { namespace })).items) {
      await client.delete(prowJobs, { namespace, name: run.metadata.name });
    }
    for (const pod of await world().pods()) {
      await client.delete(pods, { namespace, name: pod.metadata.name }, { gracePeriodSeconds: 0 });
    }
  });
  return {
    world,
    start: async (options) => {
      const operator = await world().operator(options);
      operators.push(operator);
      return operator;
    },
    expectSettled: async (operator, name) => {
      await operator.controller.idle();
      const before = operator.writes.length;
      operator.controller.enqueue({ namespace, name });
      await operator.controller.idle();
      expect(operator.writes.slice(before)).toEqual([]);
    },
  };
}
