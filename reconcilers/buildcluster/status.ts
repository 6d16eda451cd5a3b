/**
 * The status of a BuildCluster. Connections to other clusters are not made yet, so every object says the same truth: nothing runs there,
 * and waiting does not help. Pure.
 */
import type { BuildCluster, BuildClusterStatus } from '../../crds/v1/buildCluster.ts';
import { setCondition } from '../../operator/runtime/conditions.ts';

const notConnected = {
  reason: 'NotConnected',
  message: 'This operator does not connect to other clusters yet. Runs that name this cluster wait until their queue deadline.',
} as const;

/** What else status holds stays as it is. */
export function buildClusterStatus({ metadata, status }: BuildCluster, nowMs: number): BuildClusterStatus {
  const seen = metadata.generation === undefined ? {} : { observedGeneration: metadata.generation };
  const notReady = setCondition(status?.conditions, { type: 'Ready', status: 'False', ...notConnected, ...seen }, nowMs);
  return { ...status, ...seen, conditions: setCondition(notReady, { type: 'Stalled', status: 'True', ...notConnected, ...seen }, nowMs) };
}
