/** Where manifests on the command line come from: files, directories, or standard input. The commands that read them share this. */
import { readFile, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import type { SourceFile } from '../../crds/validate.ts';

/** What is wrong with the call itself: the command ends with 2. */
export class UsageError extends Error {}

const standardInput = '-';
const chartFile = 'Chart.yaml';
const manifestFile = /\.(ya?ml|json)$/;
/** What every Kubernetes object says somewhere. A text without it is values, settings or a package, and no manifest with a slip. */
const objectField = /(^|[\s{,"'])(apiVersion|kind)["']?\s*:/;

/**
 * The text of every manifest that the names stand for. `command` is what a hint about a Helm chart names.
 * @throws UsageError for what cannot be read
 */
export async function manifestsIn(names: readonly string[], command: string): Promise<readonly SourceFile[]> {
  return (await Promise.all(names.map((name) => sourcesAt(name, command)))).flat();
}

async function sourcesAt(name: string, command: string): Promise<readonly SourceFile[]> {
  if (name === standardInput) return [{ file: '<stdin>', text: await text(process.stdin) }];
  try {
    if (!(await stat(name)).isDirectory()) return [{ file: name, text: await readFile(name, 'utf8') }];
    const found = await manifestsBelow(name, command);
    if (found.length === 0) throw new UsageError(`${name} has no .yaml, .yml or .json file in it`);
    const sources = await Promise.all(found.map(async (file) => ({ file, text: await readFile(file, 'utf8') })));
    const manifests = sources.filter(holdsObjects);
    if (manifests.length === 0) throw new UsageError(`${name} has no file with a Kubernetes object in it`);
    return manifests;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${name} cannot be read: ${(error as Error).message}`);
  }
}

/** Beside manifests lie other files. One that was named on the command line is read whatever it holds. */
function holdsObjects({ file, text: content }: SourceFile): boolean {
  if (objectField.test(content)) return true;
  process.stderr.write(`${file} holds no Kubernetes object (no apiVersion, no kind) and was left out\n`);
  return false;
}

/** A directory stands for the manifests in it, at any depth. The templates of a Helm chart are none before they are rendered. */
async function manifestsBelow(directory: string, command: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  if (entries.some(({ name }) => name === chartFile)) {
    process.stderr.write(`${directory} is a Helm chart and was left out: helm template ${directory} | prow-operator ${command} -\n`);
    return [];
  }
  const found = entries.map(async (entry) => {
    const file = path.join(directory, entry.name);
    if (entry.isDirectory()) return await manifestsBelow(file, command);
    return entry.isFile() && manifestFile.test(entry.name) ? [file] : [];
  });
  return (await Promise.all(found)).flat().sort();
}
