/** Arguments that several verbs read, and how the verbs write: results on standard output, everything about them on standard error. */
import { parseDuration } from '../../crds/duration.ts';
import { messageOf } from '../runtime/errors.ts';
import { UsageError } from './manifestFiles.ts';

/** Infinity without one. @throws UsageError */
export function timeoutMsOf(text: string | undefined): number {
  if (text === undefined) return Infinity;
  try {
    return parseDuration(text);
  } catch (error) {
    throw new UsageError(`--timeout ${text}: ${messageOf(error)}`);
  }
}

export const out = (text: string): void => void process.stdout.write(text);
export const say = (line: string): void => void process.stderr.write(`» ${line}\n`);
