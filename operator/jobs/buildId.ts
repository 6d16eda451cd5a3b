/**
 * Build ids: 19 decimal digits that sort by time, in upstream's layout (milliseconds since its epoch, shifted by 22 bits). An id is a
 * pure function of the run's creation time, its uid and the attempt, so a crash between writing and using it changes nothing.
 * Creation times have whole seconds: everything below the second, 1000 × 2^22 values, is taken from a hash of the uid.
 */
import { createHash } from 'node:crypto';

const epochMs = 1288834974657n;
const sequenceBits = 22n;
/** Room for later attempts, so that they never run into the next second. */
const attemptRoom = 1024n;
const valuesPerSecond = (1000n << sequenceBits) - attemptRoom;

export interface BuildIdInput {
  /** The run's creation, milliseconds since 1970. Only its whole seconds count. */
  readonly createdMs: number;
  readonly uid: string;
  /** From 1. A later attempt has a greater id. */
  readonly attempt: number;
}

export function buildIdOf({ createdMs, uid, attempt }: BuildIdInput): string {
  const secondMs = BigInt(Math.floor(createdMs / 1000)) * 1000n;
  const spread = createHash('sha256').update(uid).digest().readBigUInt64BE() % valuesPerSecond;
  const id = ((secondMs - epochMs) << sequenceBits) + spread + BigInt((attempt - 1) % Number(attemptRoom));
  return id.toString();
}
