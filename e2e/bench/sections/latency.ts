/** How long a run waits for its pod on an idle system, beside the bare loop; and what one run costs in writes from its creation to its deletion. */
import { setTimeout as pause } from 'node:timers/promises';
import { prowJobs } from '../../../crds/resources.ts';
import type { KubeClient } from '../../../operator/kube/client.ts';
import { until } from '../../cluster/terminal.ts';
import { writesSoFar } from '../measuring/apiRequests.ts';
import { burst, ofRuns, sum } from '../measuring/burst.ts';
import { added } from '../measuring/prometheusText.ts';
import { quantile, round } from '../measuring/statistics.ts';
import { namespace } from '../measuring/workload.ts';
import type { Figure } from '../report/figures.ts';
import type { Stage } from '../stage.ts';
import { withNodes, type Findings, type Say, type Section, type Sizes } from './section.ts';

const oneByOne = { oneByOne: true };
/** Of the simulated kubelet (Running, Succeeded) and whoever created the run. */
const othersWrites = 3;
const cleaned = 20;
const goneMs = 120_000;
/** The last writes are still on their way when the runs are seen to be gone. */
const settleMs = 500;

async function run(stage: Stage, { singles }: Sizes, say: Say): Promise<Findings> {
  const measure = async (): Promise<readonly number[]> => (await burst(stage.client, singles, oneByOne)).podMs;
  const bare = await stage.withBareLoop(measure);
  const ours = await stage.withOperator(measure);
  const [bareMs, oursMs] = [quantile(bare, 0.5), quantile(ours, 0.5)];
  say(`run created → pod created, idle: bare loop ${round(bareMs)} ms, operator ${round(oursMs)} ms`);
  const latency: Figure = {
    id: 'latency.ratio',
    what: `run created → pod created, idle, p50 of ${singles}, beside the bare loop`,
    unit: '×',
    value: oursMs / bareMs,
    better: 'less',
    bar: 2,
    samples: [oursMs / bareMs],
    note: `bare loop ${round(bareMs)} ms, operator ${round(oursMs)} ms; p99 ${round(quantile(bare, 0.99))} and ${round(quantile(ours, 0.99))} ms`,
  };
  return { figures: [latency, await wholeLife(stage)] };
}

/** With deadlines of a second, so that the runs are gone soon. */
async function wholeLife(stage: Stage): Promise<Figure> {
  const settings = { cleanup: { podTTL: '1s', prowJobTTL: '2s' } };
  const { writes, deletes } = await stage.withOperator(async (operator) => {
    const [before, own] = [await writesSoFar(stage.client), await operator.figures()];
    await burst(stage.client, cleaned, { failed: operator.failed });
    await until('the end of finished runs', () => isEmpty(stage.client), { timeoutMs: goneMs, failed: operator.failed });
    await pause(settleMs);
    const later = await operator.figures();
    return { writes: ofRuns(added(before, await writesSoFar(stage.client))), deletes: later.deletes - own.deletes };
  }, settings);
  // Kubelets and the garbage collector delete pods, too: of deletions only those count that the operator says it has sent.
  const others = new Map([...writes].filter(([key]) => !key.startsWith('DELETE ')));
  const perRun = (sum(others) + deletes) / cleaned - othersWrites;
  const list = [...writes].map(([key, count]) => `${key} ${round(count / cleaned)}`).join(', ');
  return {
    id: 'writes.life',
    what: 'writes of the operator for one run, until it is cleaned up',
    unit: '',
    value: round(perRun),
    better: 'less',
    bar: 5,
    samples: [perRun],
    note: `of everybody together: ${list}`,
  };
}

const isEmpty = async (client: KubeClient): Promise<boolean> => (await client.list(prowJobs, { namespace, limit: 1 })).items.length === 0;

export const latency: Section = { name: 'latency', on: withNodes, run };
