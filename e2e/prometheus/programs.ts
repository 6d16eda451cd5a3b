/** Where Prometheus' programs are: in PATH, or where install.sh has put them. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { repository } from './rules.ts';

export interface Programs {
  readonly prometheus: string;
  readonly promtool: string;
}

/**
 * Undefined when they are not there: then the tests that need them are skipped, unless REQUIRE_PROMETHEUS is set, as `make e2e` does.
 * @throws Error when they are required and missing
 */
export function findPrograms(): Programs | undefined {
  const [prometheus, promtool] = [find('prometheus'), find('promtool')];
  if (prometheus !== undefined && promtool !== undefined) return { prometheus, promtool };
  if (process.env.REQUIRE_PROMETHEUS !== undefined) throw new Error('prometheus and promtool are missing: run e2e/prometheus/install.sh');
  return undefined;
}

function find(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), path.join(repository, '.cache/prometheus')];
  return folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file));
}
