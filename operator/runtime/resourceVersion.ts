/**
 * Order of resourceVersions. Since Kubernetes 1.35 they are promised to be decimal integers that grow, within one resource type;
 * they were in fact before. Compared as text, so they may be longer than a double or 64 bits hold.
 */

/** Below 0 when a is older than b, 0 when equal, undefined when that cannot be told because one is no integer. */
export function compareVersions(a: string | undefined, b: string | undefined): number | undefined {
  if (a === undefined || b === undefined) return undefined;
  if (a === b) return 0;
  if (!isInteger(a) || !isInteger(b)) return undefined;
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : 1;
}

const isInteger = (text: string): boolean => /^[1-9]\d*$/.test(text);
