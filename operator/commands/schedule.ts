/**
 * `prow-operator schedule FILE…` or `-n NAMESPACE [NAME…]`: when runs will start, and where they crowd together. Exit code 0 when all
 * schedules could be read, 1 when one could not (the others are shown all the same), 2 when the call, a file or the cluster is wrong.
 */
import { DurationError, parseDuration } from '../../crds/duration.ts';
import { problemLine } from './validate.ts';
import { UsageError, manifestsIn } from './manifestFiles.ts';
import { reportOf, type ReportOptions } from './scheduleReport.ts';
import { fromManifests, fromNamespace, type ScheduleSources } from './scheduleSources.ts';
import { scheduleText } from './scheduleText.ts';
import { KubeClient } from '../kube/client.ts';
import { ApiError, TransportError } from '../kube/errors.ts';
import { KubeConfigError, PooledKubeConfig } from '../kube/kubeConfig.ts';
import { UndiciTransport } from '../kube/transport.ts';
import { realClock } from '../runtime/clock.ts';

export interface ScheduleOptions {
  /** The live Periodics of this namespace. Absent: those of the files. */
  readonly namespace?: string;
  readonly kubeconfig?: string;
  /** A time, a date, or a duration from now. Absent: now. */
  readonly from?: string;
  /** A time, a date, or a duration after from. */
  readonly to?: string;
  readonly count?: string;
  readonly output: string;
}

const dayMs = 86_400_000;
/** Long enough for what runs once a week. */
const mapDays = 7;
const defaultCount = 10;
const mostSlots = 10_000;

/** `nowMs` is for tests. */
export async function schedule(names: readonly string[], options: ScheduleOptions, nowMs = realClock.now()): Promise<number> {
  try {
    const wanted = wantedOf(options, nowMs);
    const sources = await sourcesOf(names, options, { nowMs, fromMs: wanted.slots.fromMs });
    const isDetailed = sources.entries.length === 1 || options.count !== undefined || options.to !== undefined;
    const report = reportOf(sources, isDetailed ? wanted : { ...wanted, count: 1 });
    process.stdout.write(options.output === 'json' ? `${JSON.stringify(report, null, 2)}\n` : scheduleText(report, isDetailed));
    const errors = report.problems.filter(({ severity }) => severity === 'error');
    for (const problem of errors) process.stderr.write(`${problem.file === '' ? liveProblem(problem) : problemLine(problem)}\n`);
    return errors.length > 0 ? 1 : 0;
  } catch (error) {
    if (![UsageError, KubeConfigError, ApiError, TransportError].some((kind) => error instanceof kind)) throw error;
    process.stderr.write(`prow-operator schedule: ${(error as Error).message}\n`);
    return 2;
  }
}

const liveProblem = ({ name, path, message }: Parameters<typeof problemLine>[0]): string =>
  `error: Periodic ${name}: ${path === '' ? '' : `${path}: `}${message}`;

async function sourcesOf(
  names: readonly string[],
  options: ScheduleOptions,
  { nowMs, fromMs }: { readonly nowMs: number; readonly fromMs: number },
): Promise<ScheduleSources> {
  const { namespace, kubeconfig } = options;
  if (namespace === undefined) {
    if (names.length === 0) throw new UsageError('name files or directories with manifests, or a namespace with -n');
    return fromManifests(await manifestsIn(names, 'schedule'), fromMs);
  }
  const config = PooledKubeConfig.load(kubeconfig === undefined ? {} : { path: kubeconfig });
  const client = new KubeClient({ transport: new UndiciTransport(config, {}) });
  try {
    return await fromNamespace(client, namespace, names, nowMs);
  } finally {
    await client.close();
  }
}

function wantedOf({ from, to, count, output }: ScheduleOptions, nowMs: number): ReportOptions {
  if (output !== 'text' && output !== 'json') throw new UsageError(`--output ${output} is neither text nor json`);
  const fromMs = from === undefined ? nowMs : timeArgument('--from', from, nowMs);
  const toMs = to === undefined ? undefined : timeArgument('--to', to, fromMs);
  if (toMs !== undefined && toMs <= fromMs) throw new UsageError('--to must be after --from');
  return {
    slots: { fromMs, toMs: toMs ?? Infinity },
    count: countArgument(count, toMs === undefined ? defaultCount : mostSlots),
    map: { fromMs, toMs: toMs ?? fromMs + mapDays * dayMs },
  };
}

function countArgument(text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > mostSlots)
    throw new UsageError(`--count ${text} is not a number from 1 to ${mostSlots}`);
  return count;
}

const instant = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/;

/** A time with its zone, a date (its first instant in UTC), or a duration after `baseMs`. */
function timeArgument(option: string, text: string, baseMs: number): number {
  const ms = instant.test(text) ? Date.parse(text) : NaN;
  if (!Number.isNaN(ms)) return ms;
  try {
    return baseMs + parseDuration(text.replace(/^\+/, ''));
  } catch (error) {
    if (!(error instanceof DurationError)) throw error;
    throw new UsageError(`${option} ${text} is neither a time such as 2026-03-29T00:00:00Z, nor a date, nor a duration such as 24h`);
  }
}
