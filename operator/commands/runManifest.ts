/** The one ProwJob or Periodic of a manifest that `run` shall start, checked as `validate` checks it. */
import { randomBytes } from 'node:crypto';
import { validateManifests, type ValidationProblem } from '../../crds/validate.ts';
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { apiVersion } from '../../crds/v1/common.ts';
import { runOfTemplate } from '../jobs/rerun.ts';
import { checkPeriodic, checkProwJob } from '../jobs/semanticChecks.ts';
import { UsageError, manifestsIn } from './manifestFiles.ts';
import { problemLine } from './validate.ts';

/** A manifest and not a name: it looks like a path, or is standard input. */
export const isFile = (target: string): boolean => target === '-' || target.includes('/') || /\.(ya?ml|json)$/.test(target);

/** The run to create, in `namespace`. @throws UsageError */
export async function runFromFile(file: string, namespace: string | undefined, fallback: string): Promise<ProwJob> {
  const runs: ProwJob[] = [];
  const report = validateManifests(await manifestsIn([file], 'run'), {
    ProwJob: [
      (run) => {
        runs.push({ ...run, apiVersion, kind: 'ProwJob' });
        return checkProwJob(run);
      },
    ],
    Periodic: [
      (periodic) => {
        runs.push(runOfTemplate(periodic, `${periodic.metadata.name.slice(0, 50)}-${randomBytes(4).toString('hex')}`));
        return checkPeriodic(periodic);
      },
    ],
  });
  const errors = report.problems.filter(({ severity }) => severity === 'error');
  if (errors.length > 0) throw new UsageError(`the manifest is not valid, and nothing was started:\n${errors.map(asLine).join('\n')}`);
  const [run, ...more] = runs;
  if (run === undefined) throw new UsageError(`${file} holds neither a ProwJob nor a Periodic`);
  if (more.length > 0) throw new UsageError(`${file} holds ${runs.length} ProwJobs and Periodics: run starts one at a time`);
  return placed(run, namespace, fallback);
}

const asLine = (problem: ValidationProblem): string => problemLine(problem);

/** A status in the manifest is left behind: it would be another run's. */
function placed({ status: _status, ...run }: ProwJob, namespace: string | undefined, fallback: string): ProwJob {
  const own = run.metadata.namespace;
  if (own !== undefined && namespace !== undefined && own !== namespace)
    throw new UsageError(`the manifest says metadata.namespace ${own}, and the call says --namespace ${namespace}`);
  return { ...run, metadata: { ...run.metadata, namespace: own ?? namespace ?? fallback } };
}
