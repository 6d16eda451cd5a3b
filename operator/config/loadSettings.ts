/**
 * From the text of a settings file to Settings. Every fault of the file is reported at once, with its line and column; a file with a
 * fault gives no settings at all, so nothing runs on half of what was meant.
 */
import { Value } from 'typebox/value';
import { LineCounter, isMap, isScalar, parseDocument, type Document, type ParsedNode } from 'yaml';
import { parseDuration } from '../../crds/duration.ts';
import { archiveFaults, toArchive, type ArchiveFile } from './archiveSettings.ts';
import { settingsFaults, type SettingsPath, type SettingsSchema } from './checkSettings.ts';
import { jobDefaultsFaults } from './jobDefaults.ts';
import { shardFaults } from './shardSettings.ts';
import { settingsFileSchema, type Settings, type SettingsFile } from './settings.ts';

export interface SettingsProblem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** Such as prowJobs.timeouts.queue; empty for the whole file. */
  readonly path: string;
  readonly message: string;
}

/** The file cannot be used. The message lists every problem, one a line, as file:line:column. */
export class SettingsError extends Error {
  readonly code = 'SETTINGS_INVALID';
  override readonly name = 'SettingsError';
  readonly problems: readonly SettingsProblem[];

  constructor(problems: readonly SettingsProblem[]) {
    super(problems.map(formatProblem).join('\n'));
    this.problems = problems;
  }
}

const formatProblem = ({ file, line, column, path, message }: SettingsProblem): string =>
  `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}`;

const maxAliases = 50;
const maxLength = 1_000_000;

/**
 * Reads the text of a settings file; `file` is only for messages. An empty text means the defaults. `shards`: how many this process has,
 * whatever the file says: a file that does not go with them is refused.
 * @throws SettingsError
 */
export function loadSettings(text: string, file: string, shards = 1): Settings {
  if (text.length > maxLength)
    throw new SettingsError([{ file, line: 1, column: 1, path: '', message: 'is longer than a million characters' }]);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const [syntax] = document.errors;
  if (syntax !== undefined) {
    const { line, col } = lines.linePos(syntax.pos[0]);
    throw new SettingsError([{ file, line, column: col, path: '', message: syntax.message.split('\n')[0] ?? syntax.message }]);
  }
  const schema = settingsFileSchema as unknown as SettingsSchema;
  const raw = withoutEmptySections(schema, plain(document, file) ?? {});
  const at = (path: SettingsPath, atKey: boolean): { readonly line: number; readonly column: number } => {
    const { line, col } = lines.linePos(offsetOf(document, path, atKey));
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const faults = [...settingsFaults(schema, raw)];
  const problems = faults.map(({ path, message, atKey }) => ({ file, ...at(path, atKey), path: formatPath(path), message }));
  if (problems.length > 0) throw new SettingsError(problems);
  const filled = Value.Default(settingsFileSchema, raw) as Filled<SettingsFile>;
  const settings = toSettings(filled);
  const contradictions = [
    ...contradictionsOf(settings),
    ...shardFaults(settings, shards),
    ...repeatedTenants(filled),
    ...jobDefaultsFaults(settings),
    ...archiveFaults(filled.archive as ArchiveFile),
  ].map(({ path, message }) => ({
    file,
    ...at(path, false),
    path: formatPath(path),
    message,
  }));
  if (contradictions.length > 0) throw new SettingsError(contradictions);
  return settings;
}

function plain(document: Document.Parsed, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: maxAliases });
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    throw new SettingsError([{ file, line: 1, column: 1, path: '', message: `too many aliases: at most ${maxAliases} are allowed` }]);
  }
}

/** A section whose fields are all commented out is null in YAML, and means its defaults. */
function withoutEmptySections(schema: SettingsSchema, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).flatMap(([key, child]: [string, unknown]) => {
    const section = Object.entries(schema.properties ?? {}).find(([name]) => name === key)?.[1];
    if (section?.properties === undefined) return [[key, child]];
    return child === null ? [] : [[key, withoutEmptySections(section, child)]];
  });
  return Object.fromEntries(entries);
}

/** Where a path is in the text; of its nearest ancestor when the value itself is not written there (an alias, an empty value). */
function offsetOf(document: Document.Parsed, path: SettingsPath, atKey: boolean): number {
  const keyOffset = path.length === 0 ? undefined : offsetOfKey(document, path);
  const node = document.getIn(path, true) as ParsedNode | undefined;
  const offset = atKey ? keyOffset : (node?.range[0] ?? keyOffset);
  if (offset !== undefined) return offset;
  return path.length === 0 ? 0 : offsetOf(document, path.slice(0, -1), false);
}

function offsetOfKey(document: Document.Parsed, path: SettingsPath): number | undefined {
  const parent = document.getIn(path.slice(0, -1), true);
  const key = String(path.at(-1));
  if (!isMap(parent)) return undefined;
  const found = parent.items.map((pair) => pair.key).find((candidate) => isScalar(candidate) && String(candidate.value) === key);
  return isScalar(found) ? found.range?.[0] : undefined;
}

const formatPath = (path: SettingsPath): string =>
  path.map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index === 0 ? '' : '.'}${step}`)).join('');

/** After the defaults are in, only what has none can be missing. */
type Filled<T> = T extends readonly (infer Item)[] ? Filled<Item>[] : T extends object ? { [Key in keyof T]-?: Filled<T[Key]> } : T;

function toSettings(file: Filled<SettingsFile>): Settings {
  const archive = toArchive(file.archive);
  const { prowJobs, cleanup, leaderElection } = file;
  const { timeouts } = prowJobs;
  return {
    ...given('podNamespace', file.podNamespace),
    presets: file.presets,
    decorationDefaults: file.decorationDefaults,
    tenants: new Map(file.tenants.map(({ namespace, podNamespaces }) => [namespace, podNamespaces])),
    prowJobs: {
      workers: prowJobs.workers,
      maxConcurrency: prowJobs.maxConcurrency,
      maxConcurrencyPerNamespace: prowJobs.maxConcurrencyPerNamespace,
      namespaceLimits: namespaceLimitsOf(file),
      defaultClusterMaxConcurrency: prowJobs.defaultClusterMaxConcurrency,
      queueCapacities: new Map(Object.entries(prowJobs.queueCapacities)),
      supersede: prowJobs.supersede,
      timeouts: {
        queueMs: parseDuration(timeouts.queue),
        unscheduledMs: parseDuration(timeouts.unscheduled),
        pendingMs: parseDuration(timeouts.pending),
        runningMs: parseDuration(timeouts.running),
      },
      maxRevivals: prowJobs.maxRevivals,
      ...given('jobUrlTemplate', prowJobs.jobUrlTemplate),
      jobUrlPrefixes: new Map(Object.entries(prowJobs.jobUrlPrefixes)),
      jobUrlOmitProvider: prowJobs.jobUrlOmitProvider,
    },
    periodics: file.periodics,
    periodicBackfills: file.periodicBackfills,
    periodicSets: file.periodicSets,
    pluginConfigs: file.pluginConfigs,
    cleanup: {
      workers: cleanup.workers,
      prowJobTTLMs: parseDuration(cleanup.prowJobTTL),
      podTTLMs: parseDuration(cleanup.podTTL),
      orphanAgeMs: parseDuration(cleanup.orphanAge),
      deletesPerSecond: cleanup.deletesPerSecond,
      excludeClusters: cleanup.excludeClusters,
    },
    ...(archive === undefined ? {} : { archive }),
    logging: file.logging,
    leaderElection: {
      enabled: leaderElection.enabled,
      ...given('namespace', leaderElection.namespace),
      name: leaderElection.name,
      shards: leaderElection.shards,
      leaseDurationMs: parseDuration(leaderElection.leaseDuration),
      renewDeadlineMs: parseDuration(leaderElection.renewDeadline),
      retryPeriodMs: parseDuration(leaderElection.retryPeriod),
    },
    server: file.server,
  };
}

const namespaceLimitsOf = ({ tenants }: SettingsFile): ReadonlyMap<string, number> =>
  new Map((tenants ?? []).flatMap(({ namespace, maxConcurrency }) => (maxConcurrency === undefined ? [] : [[namespace, maxConcurrency]])));

/** A field that has no default: it is there only when the file has it. */
const given = <K extends string>(field: K, value: string | undefined): Partial<Record<K, string>> =>
  (value === undefined ? {} : { [field]: value }) as Partial<Record<K, string>>;

/** What no single field can be blamed for. */
function contradictionsOf({ leaderElection }: Settings): readonly { readonly path: SettingsPath; readonly message: string }[] {
  const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = leaderElection;
  const found: { path: SettingsPath; message: string }[] = [];
  if (renewDeadlineMs >= leaseDurationMs)
    found.push({ path: ['leaderElection', 'renewDeadline'], message: 'must be shorter than leaseDuration' });
  if (retryPeriodMs >= renewDeadlineMs)
    found.push({ path: ['leaderElection', 'retryPeriod'], message: 'must be shorter than renewDeadline' });
  if (leaseDurationMs < 1000 || leaseDurationMs % 1000 !== 0) {
    found.push({ path: ['leaderElection', 'leaseDuration'], message: 'must be whole seconds: a Lease knows nothing shorter' });
  }
  return found;
}

function repeatedTenants({ tenants }: Filled<SettingsFile>): readonly { readonly path: SettingsPath; readonly message: string }[] {
  const names = tenants.map(({ namespace }) => namespace);
  return names.flatMap((name, index) =>
    names.indexOf(name) === index
      ? []
      : [
          {
            path: ['tenants', index, 'namespace'],
            message: `${JSON.stringify(name)} is listed twice; put its podNamespaces into one entry`,
          },
        ],
  );
}

/** What holds without a settings file. */
export const defaultSettings = (): Settings => loadSettings('', 'defaults');
