/**
 * Names of Periodics for names of jobs. Prow allows upper case, underscores and dots at the ends, Kubernetes does not; two jobs may become
 * one by that, and then both get a hash of what they are really called. A name depends only on the set of jobs, not on their order.
 */
import { createHash } from 'node:crypto';

const maxLength = 253;
const hashLength = 8;

/** The names of these jobs, which must be different, in their order. */
export function periodicNames(jobs: readonly string[], prefix: string): readonly string[] {
  const plain = jobs.map((job) => validName(`${prefix}${job}`));
  const uses = new Map<string, number>();
  for (const name of plain) uses.set(name, (uses.get(name) ?? 0) + 1);
  return jobs.map((job, index) => {
    const name = plain[index] ?? '';
    const isExact = name === `${prefix}${job}`;
    return name !== '' && (isExact || uses.get(name) === 1) ? name : hashed(name, job);
  });
}

/** The name with every character that is not allowed replaced or taken away. Empty when nothing is left. */
function validName(text: string): string {
  const name = text
    .toLowerCase()
    .replace(/[^a-z0-9.-]/g, '-')
    .split('.')
    .map(trimDashes)
    .filter((part) => part !== '')
    .join('.');
  return name.length <= maxLength ? name : hashed(name, text);
}

function hashed(name: string, job: string): string {
  const hash = createHash('sha256').update(job).digest('hex').slice(0, hashLength);
  const kept = trimDashes(name.slice(0, maxLength - hashLength - 1)).replace(/\.$/, '');
  return kept === '' ? `job-${hash}` : `${kept}-${hash}`;
}

function trimDashes(text: string): string {
  let [start, end] = [0, text.length];
  while (text[start] === '-') start++;
  while (end > start && text[end - 1] === '-') end--;
  return text.slice(start, end);
}
