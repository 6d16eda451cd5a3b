/**
 * `prow-operator why NAME`, or `why periodic/NAME`: why a run waits, what it is doing or how it ended, and why a schedule starts nothing now. Reads only.
 * Exit code 0 when it was explained, whatever the answer; 2 when there is no such object; 3 when the cluster does not answer.
 */
import { periodics, prowJobs } from '../../crds/resources.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { explainPeriodic } from '../explain/explainPeriodic.ts';
import { explainRun } from '../explain/explainRun.ts';
import { explanationText, type Explanation } from '../explain/explanation.ts';
import { clusterOf } from '../jobs/runState.ts';
import { realClock } from '../runtime/clock.ts';
import { gatherPeriodic, gatherRun } from './gatherEvidence.ts';
import { UsageError } from './manifestFiles.ts';
import { checkOutput, exitCodes, named, onCluster, withPodClient, type PodClusterOptions, type UserCluster } from './userCluster.ts';
import { out } from './verbArguments.ts';

export interface WhyOptions extends PodClusterOptions {
  readonly output: string;
}

export const why = (target: string, options: WhyOptions): Promise<number> =>
  onCluster('why', options, async (cluster) => {
    checkOutput(options.output);
    const explanation = await explain(cluster, target, options);
    out(options.output === 'json' ? `${JSON.stringify(explanation, null, 2)}\n` : explanationText(explanation));
    return exitCodes.ok;
  });

const kinds: ReadonlyMap<string, 'run' | 'periodic'> = new Map([
  ...['prowjob', 'prowjobs', 'pj', 'run'].map((word) => [word, 'run'] as const),
  ...['periodic', 'periodics'].map((word) => [word, 'periodic'] as const),
]);

async function explain(cluster: UserCluster, target: string, options: WhyOptions): Promise<Explanation> {
  const { client, namespace } = cluster;
  const [first = '', ...rest] = target.split('/');
  const kind = rest.length === 0 ? 'run' : kinds.get(first.toLowerCase());
  const name = rest.length === 0 ? first : rest.join('/');
  if (kind === undefined || name === '')
    throw new UsageError(`${JSON.stringify(target)} is neither the name of a run, nor prowjob/NAME, nor periodic/NAME`);
  if (kind === 'periodic') {
    const periodic = await named<Periodic>(client, periodics, { namespace, name });
    return explainPeriodic(await gatherPeriodic(client, periodic, realClock.now()));
  }
  const run = await named<ProwJob>(client, prowJobs, { namespace, name });
  return withPodClient(cluster, clusterOf(run), options.podKubeconfig, async (podClient) =>
    explainRun(await gatherRun(client, podClient, run, realClock.now())),
  );
}
