/** The order in which waiting runs start: higher priority first, then the older one, then by uid so that no two are equal. */
export interface StartRank {
  readonly priority: number;
  readonly createdMs: number;
  readonly uid: string;
}

/** Below zero: a starts before b. */
export function compareRank(a: StartRank, b: StartRank): number {
  if (a.priority !== b.priority) return b.priority - a.priority;
  if (a.createdMs !== b.createdMs) return a.createdMs - b.createdMs;
  if (a.uid === b.uid) return 0;
  return a.uid < b.uid ? -1 : 1;
}
