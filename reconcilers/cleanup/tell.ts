/** Events about what went although its results are not in the archive. What was kept, or never asked to be, goes without a word. */
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';

export interface EventSink {
  event(regarding: KubeObject, type: 'Normal' | 'Warning', reason: string, note: string, action?: string): void;
}

const reason = 'ResultsLost';

export function tellRunLost(events: EventSink, run: ProwJob): void {
  const note = 'The run was deleted although its results are not in the archive: the time for which they hold cleanup was over.';
  events.event(regarding(run), 'Warning', reason, note, 'Delete');
}

export function tellPodLost(events: EventSink, run: ProwJob, podName: string): void {
  const note = `Pod ${podName} was deleted although the results of the run are not in the archive: the time for which they hold cleanup was over.`;
  events.event(regarding(run), 'Warning', reason, note, 'Delete');
}

const regarding = ({ metadata }: ProwJob): KubeObject => ({ apiVersion: 'prow.k8s.io/v1', kind: 'ProwJob', metadata });
