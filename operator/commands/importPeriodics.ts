/**
 * `prow-operator import periodics CONFIG…`: Prow's periodics as manifests of Periodics. Manifests go to the standard output or into a
 * directory, the report to the standard error. Exit code 0 when everything was carried over, 1 when a file cannot be read (nothing is
 * written then), 2 for a call that cannot be carried out, 3 when something was left out, 4 when --check found other slots (nothing is
 * written then either).
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { SlotComparer } from '../importing/compareSlots.ts';
import { importPeriodics, type ImportedPeriodic, type ImportResult } from '../importing/importPeriodics.ts';
import { reportText } from '../importing/report.ts';
import type { ConfigFile } from '../importing/readConfig.ts';
import { realClock } from '../runtime/clock.ts';

export interface ImportPeriodicsOptions {
  /** Prow's main configuration. */
  readonly config?: string;
  readonly namespace?: string;
  readonly namePrefix: string;
  readonly outputDir?: string;
  readonly oneFile: boolean;
  readonly check: boolean;
  /** text or json: the form of the report. */
  readonly output: string;
}

class UsageError extends Error {}
class UnreadableError extends Error {}

const checkedDays = 30;
const dayMs = 86_400_000;
const configFile = /\.ya?ml$/;

export async function importPeriodicsCommand(names: readonly string[], options: ImportPeriodicsOptions): Promise<number> {
  try {
    checkOptions(options);
    const [main] = options.config === undefined ? [] : await filesAt(options.config);
    const files = (await Promise.all(names.map(filesAt))).flat();
    const own = files.filter(({ file }) => main === undefined || path.resolve(file) !== path.resolve(main.file));
    const input = { files: own, ...(main === undefined ? {} : { main }) };
    const { namespace, namePrefix } = options;
    return await finish(importPeriodics(input, { namePrefix, ...(namespace === undefined ? {} : { namespace }) }), options);
  } catch (error) {
    if (!(error instanceof UsageError) && !(error instanceof UnreadableError)) throw error;
    process.stderr.write(`prow-operator import periodics: ${error.message}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

function checkOptions({ output, namePrefix, namespace, oneFile, outputDir }: ImportPeriodicsOptions): void {
  if (output !== 'text' && output !== 'json') throw new UsageError(`--output ${output} is neither text nor json`);
  if (!/^([a-z0-9][a-z0-9.-]*)?$/.test(namePrefix)) {
    throw new UsageError(`--name-prefix ${namePrefix} is no beginning of a name: lower case letters, digits, - and .`);
  }
  if (namespace !== undefined && !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace)) {
    throw new UsageError(`--namespace ${namespace} is no namespace: lower case letters, digits and -, at most 63`);
  }
  if (oneFile && outputDir === undefined) throw new UsageError('--one-file says how --output-dir is filled; give that as well');
}

async function finish(result: ImportResult, options: ImportPeriodicsOptions): Promise<number> {
  if (result.problems.length > 0) {
    const lines = result.problems.map(({ file, line, column, message }) => `${file}:${line}:${column}: cannot be read: ${message}\n`);
    process.stderr.write(options.output === 'json' ? `${JSON.stringify({ problems: result.problems }, null, 2)}\n` : lines.join(''));
    return 1;
  }
  const check = options.check ? checkSlots(result.periodics) : undefined;
  report(result, check, options);
  if (check !== undefined && check.differences.length > 0) return 4;
  await write(result.periodics, options);
  return result.findings.some(({ kind }) => kind === 'refused' || kind === 'leftOut') ? 3 : 0;
}

interface SlotCheck {
  readonly schedules: number;
  readonly slots: number;
  readonly from: string;
  readonly days: number;
  readonly differences: readonly { readonly file: string; readonly line: number; readonly job: string; readonly difference: string }[];
}

function checkSlots(periodics: readonly ImportedPeriodic[]): SlotCheck {
  const fromMs = Math.floor(realClock.now() / dayMs) * dayMs;
  const comparer = new SlotComparer({ fromMs, untilMs: fromMs + checkedDays * dayMs });
  const compared = periodics.map(({ job, place, schedule, manifest }) => ({ job, place, ...comparer.compare(schedule, manifest) }));
  return {
    schedules: compared.length,
    slots: compared.reduce((sum, { slots }) => sum + slots, 0),
    from: new Date(fromMs).toISOString(),
    days: checkedDays,
    differences: compared.flatMap(({ job, place: { file, line }, difference }) =>
      difference === undefined ? [] : [{ file, line, job, difference }],
    ),
  };
}

function report(result: ImportResult, check: SlotCheck | undefined, { output }: ImportPeriodicsOptions): void {
  if (output === 'json') {
    const periodics = result.periodics.map(({ job, name, place: { file, line } }) => ({ job, name, file, line }));
    const { counts, findings } = result;
    process.stderr.write(`${JSON.stringify({ counts, periodics, findings, ...(check === undefined ? {} : { check }) }, null, 2)}\n`);
    return;
  }
  process.stderr.write(reportText(result));
  if (check === undefined) return;
  for (const { file, line, job, difference } of check.differences)
    process.stderr.write(`${file}:${line}: other slots: job ${job}: ${difference}\n`);
  const verdict = check.differences.length === 0 ? 'the same before and after' : `${check.differences.length} differ; nothing was written`;
  process.stderr.write(
    `schedules compared over ${check.days} days from ${check.from}: ${check.schedules}, with ${check.slots} slots: ${verdict}\n`,
  );
}

async function write(periodics: readonly ImportedPeriodic[], { outputDir, oneFile }: ImportPeriodicsOptions): Promise<void> {
  const together = periodics.map(({ manifest }) => `---\n${manifest}`).join('');
  if (outputDir === undefined) {
    process.stdout.write(together);
    return;
  }
  await mkdir(outputDir, { recursive: true });
  if (oneFile) await writeFile(path.join(outputDir, 'periodics.yaml'), together);
  else for (const { name, manifest } of periodics) await writeFile(path.join(outputDir, fileNameOf(name)), manifest);
}

/** File systems take 255 bytes; a name may have 253 before the ending. */
const longestFileName = 240;

function fileNameOf(name: string): string {
  if (name.length <= longestFileName) return `${name}.yaml`;
  return `${name.slice(0, longestFileName - 9)}-${createHash('sha256').update(name).digest('hex').slice(0, 8)}.yaml`;
}

/** A file, or every .yaml and .yml below a directory, as Prow finds them: what begins with two dots is passed over. */
async function filesAt(name: string): Promise<readonly ConfigFile[]> {
  try {
    if (!(await stat(name)).isDirectory()) return [{ file: name, text: await textOfFile(name) }];
    const found = await configsBelow(name);
    if (found.length === 0) throw new UnreadableError(`${name} has no .yaml or .yml file in it`);
    return await Promise.all(found.map(async (file) => ({ file, text: await textOfFile(file) })));
  } catch (error) {
    if (error instanceof UnreadableError) throw error;
    throw new UnreadableError(`${name} cannot be read: ${(error as Error).message}`);
  }
}

async function configsBelow(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const found = entries.map(async ({ name }) => {
    const file = path.join(directory, name);
    if (name.startsWith('..')) return [];
    if (name === '.prowignore') {
      process.stderr.write(
        `${file}: is not read: what it names is imported as well; name files instead of ${directory} to leave some out\n`,
      );
    }
    // A ConfigMap that is mounted has links for files.
    const kind = await stat(file);
    if (kind.isDirectory()) return await configsBelow(file);
    return kind.isFile() && configFile.test(name) ? [file] : [];
  });
  return (await Promise.all(found)).flat().sort();
}

/** Prow packs large configurations with gzip. */
async function textOfFile(file: string): Promise<string> {
  const bytes = await readFile(file);
  return (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString('utf8');
}
