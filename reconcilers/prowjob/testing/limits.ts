/** Limits for tests: none, but for those that a test is about. */
import { defaultPolicy } from '../../../operator/jobs/policy.ts';
import type { ClusterRoom, Limits, LimitSettings } from '../admissionLimits.ts';

export const openCluster: ClusterRoom = { limit: 0, isOpen: true };

/** Asked at each decision: what they return may change. */
export const limitsOf = (settings: () => Partial<LimitSettings> = () => ({}), cluster: Limits['cluster'] = () => openCluster): Limits => ({
  settings: () => ({ ...defaultPolicy.prowJobs, ...settings() }),
  cluster,
});
