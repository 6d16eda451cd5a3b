/**
 * `prow-operator rerun NAME`: starts another run like one that is there: by its own spec, or with --latest by the template of its Periodic as that is
 * now. With --follow it goes on as `run` does, with the same exit codes.
 */
import { periodicBackfills, periodics, prowJobs } from '../../crds/resources.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { firstRerunNumber, rerunNameOf, rerunOf, rerunOfAnnotation } from '../jobs/rerun.ts';
import { isAlreadyExists } from '../kube/errors.ts';
import type { KubeClient } from '../kube/client.ts';
import { UsageError } from './manifestFiles.ts';
import { followToTheEnd, type FollowFlags } from './runJob.ts';
import { exitCodes, ifPresent, named, onCluster } from './userCluster.ts';
import { say, timeoutMsOf } from './verbArguments.ts';

export interface RerunOptions extends FollowFlags {
  readonly latest?: boolean;
  readonly follow?: boolean;
}

/** So many names that are taken mean that something else is wrong. */
const mostTries = 100;

export const rerun = (name: string, options: RerunOptions): Promise<number> =>
  onCluster('rerun', options, async (cluster) => {
    timeoutMsOf(options.timeout);
    const { client, namespace } = cluster;
    const original = await named<ProwJob>(client, prowJobs, { namespace, name });
    const latest = options.latest === true ? await periodicBehind(client, original) : undefined;
    const run = await createRerun(client, original, latest);
    say(
      `created ProwJob ${namespace}/${run.metadata.name}, ${latest === undefined ? `as ${name} was` : `as Periodic ${latest.metadata.name} is now`}`,
    );
    if (options.follow === true) return followToTheEnd('rerun', cluster, run, options);
    process.stdout.write(`${run.metadata.name}\n`);
    return exitCodes.ok;
  });

/** Reruns of one run are numbered; whoever is slower takes the next number. */
async function createRerun(client: KubeClient, original: ProwJob, latest: Periodic | undefined): Promise<ProwJob> {
  const { name } = original.metadata;
  const first = firstRerunNumber(name);
  for (let number = first; number < first + mostTries; number += 1) {
    const created = await client.create<ProwJob>(prowJobs, rerunOf(original, rerunNameOf(name, number), latest)).catch((error: unknown) => {
      if (isAlreadyExists(error)) return undefined;
      throw error;
    });
    if (created !== undefined) return created;
  }
  throw new UsageError(
    `the names ${rerunNameOf(name, first)} to ${rerunNameOf(name, first + mostTries - 1)} are all taken: delete old reruns first`,
  );
}

/** The Periodic that the run comes from: by its owner, or, for a rerun, by that of the run it repeats. @throws UsageError when there is none */
async function periodicBehind(client: KubeClient, run: ProwJob): Promise<Periodic> {
  const { namespace = '', name } = run.metadata;
  let from: ProwJob | undefined = run;
  for (let hop = 0; hop < mostTries && from !== undefined; hop += 1) {
    const periodic = await ownerOf(client, from);
    if (periodic !== undefined) return periodic;
    const before: string | undefined = from.metadata.annotations?.[rerunOfAnnotation];
    from = before === undefined ? undefined : await ifPresent(client.get<ProwJob>(prowJobs, { namespace, name: before }));
  }
  throw new UsageError(
    `no Periodic is known that ${name} comes from, so there is nothing newer to run: leave out --latest to run it again as it was`,
  );
}

async function ownerOf(client: KubeClient, { metadata }: ProwJob): Promise<Periodic | undefined> {
  const { namespace = '', ownerReferences = [] } = metadata;
  const owner = ownerReferences.find(({ controller, apiVersion }) => controller === true && apiVersion.startsWith('prow.k8s.io/'));
  if (owner?.kind === 'Periodic') return ifPresent(client.get<Periodic>(periodics, { namespace, name: owner.name }));
  if (owner?.kind !== 'PeriodicBackfill') return undefined;
  const backfill = await ifPresent(client.get(periodicBackfills, { namespace, name: owner.name }));
  return backfill === undefined ? undefined : ifPresent(client.get<Periodic>(periodics, { namespace, name: backfill.spec.periodic }));
}
