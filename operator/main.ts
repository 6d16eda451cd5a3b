/**
 * The command line: parses, wires, starts. Each command lives in operator/commands/ and is loaded only when it is called, so that
 * `validate` does not pay for the sandbox and the operator does not pay for either.
 */
import { Command } from 'commander';

import type { AbortOptions } from './commands/abort.ts';
import type { ImportPeriodicsOptions } from './commands/importPeriodics.ts';
import type { LogsOptions } from './commands/logs.ts';
import type { RerunOptions } from './commands/rerun.ts';
import type { EitherOptions } from './commands/runEither.ts';
import type { SandboxOptions } from './commands/sandbox.ts';
import type { ScheduleOptions } from './commands/schedule.ts';
import type { SelfTestOptions } from './commands/selfTest.ts';
import type { ValidateOptions } from './commands/validate.ts';
import type { WhyOptions } from './commands/why.ts';
import { version } from './version.ts';

const program = new Command('prow-operator')
  .description(
    'Continuous integration the Kubernetes way: Periodic, ProwJob, PluginConfig and BuildCluster objects, and the operator that runs them',
  )
  .version(version)
  .showHelpAfterError()
  // Before the commands, which take it over: a call that cannot be understood ends with 2, as one that cannot be carried out does.
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));

const runExitCodes = `
Exit codes of a run that is followed: 0 success; 1 failure; 3 error, or the cluster does not answer; 4 aborted; 2 the call is wrong, and nothing
was started; 5 --timeout is over; 130 Ctrl-C. In the last two cases the run goes on, unless --abort-on-interrupt was given.`;

const kubeconfig = ['--kubeconfig <file>', 'kubeconfig file (default: $KUBECONFIG, ~/.kube/config, or the pod service account)'] as const;
const namespace = ['-n, --namespace <name>', 'the namespace (default: that of the context)'] as const;
const podKubeconfig = ['--pod-kubeconfig <file>', 'reaches the pods of runs on other build clusters'] as const;

program
  .command('run')
  .description('start a run and follow it to its end; without a name: run the operator itself')
  .argument('[name]', 'a Periodic, which is asked to run now, or a manifest file (- for standard input) with a ProwJob or a Periodic')
  .option(...kubeconfig)
  .option('-n, --namespace <name>', 'the namespace (default: that of the context); of the operator: watch only this one (default: all)')
  .option('--detach', 'start it, print its name, and leave')
  .option('--timeout <duration>', 'leave after so long; the run goes on')
  .option('--abort-on-interrupt', 'Ctrl-C ends the run as well')
  .option(...podKubeconfig)
  .option('--settings <file>', 'of the operator: its settings, YAML; read again when the file changes')
  .option(
    '--shards <number>',
    'of the operator: divide the namespaces into so many parts, which the replicas share; overrides the settings',
  )
  .option('--log-level <level>', 'of the operator: debug, info, warn or error; overrides the settings')
  .option('--log-format <format>', 'of the operator: json or human; overrides the settings')
  .addHelpText('after', runExitCodes)
  .action(async (name: string | undefined, options: EitherOptions) => {
    const { runEither } = await import('./commands/runEither.ts');
    process.exitCode = await runEither(name, options);
  });

program
  .command('abort')
  .description('ask a run to end')
  .argument('<name>', 'the ProwJob')
  .option(...kubeconfig)
  .option(...namespace)
  .option('--reason <text>', 'why, for those who look at the run later')
  .option('--wait', 'until it has ended')
  .option('--timeout <duration>', 'how long to wait')
  .addHelpText('after', `\nExit codes: 0 it is asked, or had ended before; 2 the call is wrong; 3 the cluster; 5 --timeout is over.`)
  .action(async (name: string, options: AbortOptions) => {
    const { abort } = await import('./commands/abort.ts');
    process.exitCode = await abort(name, options);
  });

program
  .command('rerun')
  .description('start another run like this one')
  .argument('<name>', 'the ProwJob')
  .option(...kubeconfig)
  .option(...namespace)
  .option('--latest', 'from the template of its Periodic as it is now')
  .option('--follow', 'follow it to its end, as run does')
  .option('--timeout <duration>', 'with --follow: leave after so long; the run goes on')
  .option('--abort-on-interrupt', 'with --follow: Ctrl-C ends the run as well')
  .option(...podKubeconfig)
  .addHelpText('after', runExitCodes)
  .action(async (name: string, options: RerunOptions) => {
    const { rerun } = await import('./commands/rerun.ts');
    process.exitCode = await rerun(name, options);
  });

program
  .command('logs')
  .description('print what a run printed: from its pod, or from the archive when the pod is gone')
  .argument('<name>', 'the ProwJob')
  .option(...kubeconfig)
  .option(...namespace)
  .option('-f, --follow', 'go on until its containers have ended')
  .option('--attempt <number>', 'an earlier attempt (default: the latest)')
  .option('-c, --container <name>', 'only this container, init containers among them (default: all test containers)')
  .option('--archive <directory>', 'where the operator keeps results, if that is a directory of this machine')
  .option(...podKubeconfig)
  .addHelpText('after', `\nExit codes: 0 printed; 2 the call is wrong; 3 there is no log to be had, and where it is; 130 Ctrl-C.`)
  .action(async (name: string, options: LogsOptions) => {
    const { logs } = await import('./commands/logs.ts');
    process.exitCode = await logs(name, options);
  });

program
  .command('why')
  .description('tell in words why a run waits, what it is doing or how it ended; or why a Periodic starts no run now')
  .argument('<name>', 'the ProwJob, or periodic/NAME')
  .option(...kubeconfig)
  .option(...namespace)
  .option('-o, --output <format>', 'text or json', 'text')
  .option(...podKubeconfig)
  .addHelpText('after', `\nExit codes: 0 explained; 2 the call is wrong, or there is no such object; 3 the cluster does not answer.`)
  .action(async (name: string, options: WhyOptions) => {
    const { why } = await import('./commands/why.ts');
    process.exitCode = await why(name, options);
  });

program
  .command('validate')
  .description('check manifests against the schemas, the CEL rules and the checks of the reconcilers; answers with file:line')
  .argument('<file...>', 'YAML or JSON files, directories, or - for standard input')
  .option('-o, --output <format>', 'text or json', 'text')
  .action(async (files: string[], options: ValidateOptions) => {
    const { validate } = await import('./commands/validate.ts');
    process.exitCode = await validate(files, options);
  });

program
  .command('schedule')
  .description('tell when runs will start, and where they crowd together; of manifests, or of the Periodics of a namespace')
  .argument('[name...]', 'YAML or JSON files, directories, or - for standard input; with --namespace the names of Periodics')
  .option('-n, --namespace <name>', 'ask the cluster for the Periodics of this namespace')
  .option('--kubeconfig <file>', 'kubeconfig file (default: $KUBECONFIG, ~/.kube/config, or the pod service account)')
  .option('--from <time>', 'a time, a date, or a duration from now (default: now)')
  .option('--to <time>', 'a time, a date, or a duration after --from (default: the slots of --count, a heat map of a week)')
  .option('--count <number>', 'at most so many slots of each Periodic (default: 10)')
  .option('-o, --output <format>', 'text or json', 'text')
  .action(async (names: string[], options: ScheduleOptions) => {
    const { schedule } = await import('./commands/schedule.ts');
    process.exitCode = await schedule(names, options);
  });

program
  .command('sandbox')
  .description('a Kubernetes API in one process that runs pods as local processes: for demos, development and tests')
  .option('--port <port>', 'port on 127.0.0.1 (default: any free one)')
  .option('--dir <dir>', 'keep pods, logs and the kubeconfig here (default: a temporary directory, removed at the end)')
  .option('--data-dir <dir>', 'keep the objects of the API here, also across a crash (default: in memory)')
  .option('--kubeconfig <file>', 'where to write the kubeconfig (default: DIR/kubeconfig)')
  .option('--no-crds', 'do not install the CRDs of prow.k8s.io')
  .action(async (options: SandboxOptions) => {
    const { sandbox } = await import('./commands/sandbox.ts');
    process.exitCode = await sandbox(options);
  });

program
  .command('selftest')
  .description('ask a running operator for two runs, as a user would, and check what it makes of them; the pod of `helm test`')
  .option('--kubeconfig <file>', 'kubeconfig file (default: $KUBECONFIG, ~/.kube/config, or the pod service account)')
  .requiredOption('--namespace <name>', 'where the ProwJob and the Periodic are made')
  .requiredOption('--pod-spec <json>', 'the pod_spec of both runs')
  .requiredOption('--expect-log <text>', 'what must be in the log of both runs')
  .option('--timeout <duration>', 'how long all of it may take', '3m')
  .option('--metrics-url <url...>', 'where replicas of the operator serve metrics', [])
  .option('--operator-pods <namespace/selector>', 'the same by pods: the replicas of the operator')
  .option('--metrics-port <port>', 'the port of --operator-pods', '8080')
  .action(async (options: SelfTestOptions) => {
    const { selfTest } = await import('./commands/selfTest.ts');
    process.exitCode = await selfTest(options);
  });

program
  .command('import')
  .description('bring over what another system has')
  .command('periodics')
  .description(
    "turn the periodics of Prow's job configuration into manifests of Periodics; what has no place there is listed with file:line",
  )
  .argument('<config...>', 'files and directories of job configuration')
  .option('--config <file>', "Prow's main configuration, for presets and the defaults of plank")
  .option('-n, --namespace <name>', 'metadata.namespace of the manifests (default: none)')
  .option('--name-prefix <prefix>', 'put before the name of each job', '')
  .option('--output-dir <dir>', 'write a file for each Periodic here (default: all to standard output)')
  .option('--one-file', 'with --output-dir: write all of them to periodics.yaml', false)
  .option('--check', 'compare the slots of each schedule before and after, over 30 days', false)
  .option('-o, --output <format>', 'the report on standard error: text or json', 'text')
  .addHelpText(
    'after',
    `
Exit codes: 0 everything was carried over; 1 a file cannot be read, and nothing was written; 2 the call is wrong;
3 something was refused or left out, as listed; 4 --check found other slots, and nothing was written.`,
  )
  .action(async (files: string[], options: ImportPeriodicsOptions) => {
    const { importPeriodicsCommand } = await import('./commands/importPeriodics.ts');
    process.exitCode = await importPeriodicsCommand(files, options);
  });

await program.parseAsync();
