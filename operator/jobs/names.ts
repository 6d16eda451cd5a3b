/**
 * Names that can be computed again after a crash: the pods of a run. A name never depends on anything but the run's name and the attempt.
 */
import { createHash } from 'node:crypto';

const maxLength = 253;

/** The first attempt's pod has the run's name; later ones append "-2", "-3" …, shortened with a hash where that is too long. */
export function podNameOf(runName: string, attempt: number): string {
  if (attempt <= 1) return runName;
  const suffix = `-${attempt}`;
  if (runName.length + suffix.length <= maxLength) return `${runName}${suffix}`;
  const hash = createHash('sha256').update(runName).digest('hex').slice(0, 10);
  return `${runName.slice(0, maxLength - suffix.length - hash.length - 1)}-${hash}${suffix}`;
}
