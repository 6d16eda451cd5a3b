/**
 * `prow-operator validate FILE…`: says what a cluster, and then the reconcilers, would say of manifests, without either. Exit code 0 when all
 * is well (warnings allowed), 1 when something is wrong with an object, 2 when a file cannot be read.
 */
import { validateManifests, type SourceFile, type ValidationProblem, type ValidationReport } from '../../crds/validate.ts';
import type { Periodic } from '../../crds/v1/periodic.ts';
import type { PluginConfig } from '../../crds/v1/pluginConfig.ts';
import { checkPeriodicBackfill } from '../jobs/backfillChecks.ts';
import { checkPeriodicSet } from '../jobs/matrixChecks.ts';
import { checkPeriodic, checkPluginConfig, checkProwJob } from '../jobs/semanticChecks.ts';
import { UsageError, manifestsIn } from './manifestFiles.ts';

export interface ValidateOptions {
  /** text: file:line:column: severity: message, one a line. json: the whole report. */
  readonly output: string;
}

export async function validate(files: readonly string[], options: ValidateOptions): Promise<number> {
  try {
    if (options.output !== 'text' && options.output !== 'json') throw new UsageError(`--output ${options.output} is neither text nor json`);
    const sources = await manifestsIn(files, 'validate');
    const report = check(sources);
    process.stdout.write(options.output === 'json' ? `${JSON.stringify(report, null, 2)}\n` : asText(report, sources.length));
    return report.problems.some(({ severity }) => severity === 'error') ? 1 : 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`prow-operator validate: ${error.message}\n`);
    return 2;
  }
}

/** Two rounds, because some objects are judged together with those beside them, whichever file those are in. */
function check(sources: readonly SourceFile[]): ValidationReport {
  const configs = new Map<string, PluginConfig[]>();
  const namespaceOf = (config: PluginConfig): string => config.metadata.namespace ?? '';
  const collect = (config: PluginConfig): readonly [] => {
    configs.set(namespaceOf(config), [...(configs.get(namespaceOf(config)) ?? []), config]);
    return [];
  };
  const schedules = new Map<string, Periodic>();
  const keyOf = (namespace: string | undefined, name: string): string => `${namespace ?? ''}/${name}`;
  const remember = (periodic: Periodic): readonly [] => {
    schedules.set(keyOf(periodic.metadata.namespace, periodic.metadata.name), periodic);
    return [];
  };
  validateManifests(sources, { PluginConfig: [collect], Periodic: [remember] });
  return validateManifests(sources, {
    ProwJob: [checkProwJob],
    Periodic: [checkPeriodic],
    PeriodicSet: [checkPeriodicSet],
    PeriodicBackfill: [
      (backfill) => checkPeriodicBackfill(backfill, schedules.get(keyOf(backfill.metadata.namespace, backfill.spec.periodic))),
    ],
    PluginConfig: [(config) => checkPluginConfig(config, configs.get(namespaceOf(config)) ?? [])],
  });
}

function asText({ problems, checked, skipped }: ValidationReport, files: number): string {
  const count = (severity: string): number => problems.filter((problem) => problem.severity === severity).length;
  const others = skipped === 0 ? '' : `, ${skipped} of other groups skipped`;
  const found = [
    `${checked} checked${others} in ${files} ${files === 1 ? 'file' : 'files'}`,
    `${count('error')} errors`,
    `${count('warning')} warnings`,
  ];
  return [...problems.map(problemLine), found.join(', ')].join('\n') + '\n';
}

/** One line: where it is, how bad, and what of which object. */
export function problemLine({ file, line, column, kind, name, path: field, message, severity }: ValidationProblem): string {
  const object = kind === '' ? '' : `${kind} ${name === '' ? '(without a name)' : name}: `;
  const where = field === '' || message.startsWith(field) ? '' : `${field}: `;
  return `${file}:${line}:${column}: ${severity}: ${object}${where}${message}`;
}
