/**
 * What people are told about a run after the write that made it true: one log line for each transition, and an Event for what somebody
 * may have to look at. Plain progress has no Event: it is in the status already, and would cost two more writes for each run.
 */
import type { ProwJob } from '../../crds/v1/prowJob.ts';
import { statusOf } from '../../operator/jobs/runState.ts';
import type { KubeObject } from '../../operator/kube/objects.ts';
import type { LogFields, Logger } from '../../operator/runtime/logger.ts';
import type { News } from './status.ts';

export interface EventSink {
  event(regarding: KubeObject, type: 'Normal' | 'Warning', reason: string, note: string, action?: string): void;
}

/** `run` is as it was written. */
export function tell(run: ProwJob, news: News, { events, logger }: { readonly events: EventSink; readonly logger: Logger }): void {
  const regarding = { apiVersion: 'prow.k8s.io/v1', kind: 'ProwJob', metadata: run.metadata };
  switch (news.kind) {
    case 'started': {
      const { end, plan } = news;
      logger.info(end === undefined ? 'Run started' : 'Run goes on with its next attempt', fieldsOf(run, end?.cause));
      if (end !== undefined) events.event(regarding, 'Warning', end.cause, `${end.message} Attempt ${plan.number} follows.`, 'Retry');
      return;
    }
    case 'lost':
      logger.info('Attempt lost', fieldsOf(run, news.end.cause));
      events.event(regarding, 'Warning', news.end.cause, `${news.end.message} Another attempt follows.`, 'Retry');
      return;
    case 'superseded':
      logger.info('A newer run takes the place of this one', { ...fieldsOf(run), by: news.by });
      return;
    case 'observed':
      logger.debug('The newest spec asks for nothing that can still be done', fieldsOf(run));
      return;
    case 'adopted':
      logger.info('Run started', fieldsOf(run, 'PodAdopted'));
      events.event(regarding, 'Normal', 'PodAdopted', `Pod ${news.pod.metadata.name} of this run was there already.`);
      return;
    case 'waiting':
      if (news.waiting === undefined) {
        logger.debug('Run waits no longer', fieldsOf(run));
        return;
      }
      logger.info('Run waits', fieldsOf(run, news.waiting.reason));
      events.event(regarding, 'Normal', news.waiting.reason, news.waiting.message, 'Wait');
      return;
    case 'finished':
      logger.info('Run ended', fieldsOf(run, news.reason));
      if (news.state !== 'success') events.event(regarding, isWanted(news) ? 'Normal' : 'Warning', news.reason, news.description, 'Finish');
  }
}

/** Somebody asked for this end. */
const isWanted = (news: Extract<News, { kind: 'finished' }>): boolean =>
  news.state === 'aborted' && (news.reason === 'Aborted' || news.reason === 'Superseded');

function fieldsOf(run: ProwJob, reason?: string): LogFields {
  const { state, attempts, pod_name: pod } = statusOf(run);
  const { namespace, name } = run.metadata;
  const attempt = attempts?.at(-1)?.number;
  return {
    namespace,
    name,
    job: run.spec.job,
    state,
    ...(reason === undefined ? {} : { reason }),
    ...(attempt === undefined ? {} : { attempt }),
    ...(pod === undefined ? {} : { pod }),
  };
}
