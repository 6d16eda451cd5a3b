/**
 * The command line: parses, wires, starts. Each command lives in operator/commands/ and is loaded only when it is called, so that
 * `validate` does not pay for the sandbox and the operator does not pay for either.
 */
import { Command } from 'commander';

import type { ImportPeriodicsOptions } from './commands/importPeriodics.ts';
import type { RunOptions } from './commands/run.ts';
import type { SandboxOptions } from './commands/sandbox.ts';
import type { ScheduleOptions } from './commands/schedule.ts';
import type { SelfTestOptions } from './commands/selfTest.ts';
import type { ValidateOptions } from './commands/validate.ts';
import { version } from './version.ts';

const program = new Command('prow-operator')
  .description(
    'Continuous integration the Kubernetes way: Periodic, ProwJob, PluginConfig and BuildCluster objects, and the operator that runs them',
  )
  .version(version)
  .showHelpAfterError()
  // Before the commands, which take it over: a call that cannot be understood ends with 2, as one that cannot be carried out does.
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2));

program
  .command('run')
  .description('run the operator against the cluster of the kubeconfig, or of the pod it runs in')
  .option('--kubeconfig <file>', 'kubeconfig file (default: $KUBECONFIG, ~/.kube/config, or the pod service account)')
  .option('--settings <file>', 'the operator settings, YAML; read again when the file changes')
  .option('--namespace <name>', 'watch only this namespace (default: all)')
  .option('--log-level <level>', 'debug, info, warn or error; overrides the settings')
  .option('--log-format <format>', 'json or human; overrides the settings')
  .action(async (options: RunOptions) => {
    const { run } = await import('./commands/run.ts');
    process.exitCode = await run(options);
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
