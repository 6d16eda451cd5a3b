/** The link of a run, from the installation's template. Names in double braces are replaced by the run's values, escaped for a URL. */
import type { ProwJob } from '../../crds/v1/prowJob.ts';

/** Undefined when the installation has no template. An unknown name is left as it is, where a person sees it. */
export function jobUrlOf(run: ProwJob, buildId: string, template: string | undefined): string | undefined {
  if (template === undefined) return undefined;
  const values = new Map([
    ['namespace', run.metadata.namespace ?? ''],
    ['name', run.metadata.name],
    ['job', run.spec.job],
    ['type', run.spec.type],
    ['build_id', buildId],
  ]);
  return template.replace(/\{\{\s{0,8}([a-z_]{1,32})\s{0,8}\}\}/g, (whole, name: string) => {
    const value = values.get(name);
    return value === undefined ? whole : encodeURIComponent(value);
  });
}
