/** kill -9 of the leader in the middle of a burst, with another replica ready: how long nobody starts anything, and whether anything starts twice. */
import { leases } from '../../../operator/kube/builtin.ts';
import type { KubeClient } from '../../../operator/kube/client.ts';
import { burst, type BurstResult } from '../measuring/burst.ts';
import { follow } from '../measuring/follow.ts';
import { OperatorProcess } from '../measuring/operatorProcess.ts';
import { round } from '../measuring/statistics.ts';
import { namespace, wipe } from '../measuring/workload.ts';
import type { Stage } from '../stage.ts';
import { withNodes, type Findings, type Say, type Section, type Sizes } from './section.ts';

/** The default lease, and what the bar allows beyond it. */
const leaseMs = 15_000;
const graceMs = 1_000;

async function run(stage: Stage, { burst: runs }: Sizes, say: Say): Promise<Findings> {
  const leader = await OperatorProcess.start(stage.plane);
  const follower = await OperatorProcess.launch(stage.plane);
  try {
    await follower.hasSaid('Waiting: another replica leads');
    let killedMs = NaN;
    /** A run that comes after the end of the leader, so that one is left to start however quick it was. */
    const late: Promise<BurstResult>[] = [];
    const takenMs = firstChangeOfHolder(stage.client);
    const kill = (): void => {
      killedMs = performance.now();
      process.kill(leader.pid, 'SIGKILL');
      late.push(burst(stage.client, 1, { failed: follower.failed }));
    };
    const result = await burst(stage.client, runs, { at: { share: 0.3, call: kill }, failed: follower.failed });
    const [holderMs, lateResults] = [await takenMs, await Promise.all(late)];
    const seenMs = [result, ...lateResults].flatMap(({ podSeenMs }) => [...podSeenMs.values()]);
    const next = Math.min(...seenMs.filter((atMs) => atMs > holderMs));
    const gapS = (next - killedMs) / 1000;
    const twice = result.pods - result.runs;
    say(`leader killed: next start after ${round(gapS)} s`);
    const note = `the lease lasts ${leaseMs / 1000} s; it changed hands after ${round((holderMs - killedMs) / 1000)} s`;
    return {
      figures: [
        {
          id: 'leader.gap',
          what: 'kill -9 of the leader under a burst → next start',
          unit: 's',
          value: gapS,
          better: 'less',
          bar: (leaseMs + graceMs) / 1000,
          samples: [gapS],
          note,
        },
        { id: 'leader.twice', what: 'of these runs started twice', unit: '', value: twice, better: 'less', bar: 0, samples: [twice] },
      ],
    };
  } finally {
    await leader.kill();
    await follower.stop();
    await wipe(stage.client);
  }
}

/** When the lease got another holder than the one that it has now. */
async function firstChangeOfHolder(client: KubeClient): Promise<number> {
  const key = { namespace, name: 'prow-operator' };
  const { spec } = await client.get(leases, key);
  const stop = new AbortController();
  return await new Promise<number>((resolve, reject) => {
    const look = (holder: string | undefined): void => {
      if (holder === undefined || holder === '' || holder === spec?.holderIdentity) return;
      stop.abort();
      resolve(performance.now());
    };
    follow(client, leases, { namespace }, stop.signal, (lease) => {
      if (lease.metadata.name === key.name) look(lease.spec?.holderIdentity);
    }).catch(reject);
  });
}

export const leader: Section = { name: 'leader', on: withNodes, run };
