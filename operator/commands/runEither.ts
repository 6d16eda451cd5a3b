/**
 * `prow-operator run` is two things: with a name it starts a run of a job, without one it is the operator. An option of the one that is given to the
 * other is an error, so that nobody starts an operator by a name that was left out.
 */
import type { RunOptions } from './run.ts';
import type { RunJobOptions } from './runJob.ts';
import { exitCodes } from './userCluster.ts';

export type EitherOptions = RunOptions & RunJobOptions;

const ofOperator = new Map<keyof EitherOptions, string>([
  ['settings', '--settings'],
  ['shards', '--shards'],
  ['logLevel', '--log-level'],
  ['logFormat', '--log-format'],
]);
const ofRun = new Map<keyof EitherOptions, string>([
  ['detach', '--detach'],
  ['timeout', '--timeout'],
  ['abortOnInterrupt', '--abort-on-interrupt'],
  ['podKubeconfig', '--pod-kubeconfig'],
]);

export async function runEither(name: string | undefined, options: EitherOptions): Promise<number> {
  const foreign = name === undefined ? ofRun : ofOperator;
  const given = [...foreign].filter(([field]) => options[field] !== undefined).map(([, flag]) => flag);
  if (given.length > 0) {
    const what = name === undefined ? 'needs the name of a Periodic or a file' : 'is for the operator itself, which is run without a name';
    process.stderr.write(`prow-operator run: ${given.join(', ')} ${what}\n`);
    return exitCodes.usage;
  }
  if (name === undefined) {
    const { run } = await import('./run.ts');
    return run(options);
  }
  const { runJob } = await import('./runJob.ts');
  return runJob(name, options);
}
