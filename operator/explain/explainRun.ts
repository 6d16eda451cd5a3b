/**
 * Why a run waits, what it is doing, or how it ended: in words, with what that rests on and what can be done. Pure: the same evidence gives
 * the same answer. One table of questions, in the order in which the operator asks them.
 */
import { clusterOf, createdMsOf, isComplete, isOurs, statusOf } from '../jobs/runState.ts';
import { attemptsSection } from './attempts.ts';
import type { RunEvidence } from './evidence.ts';
import type { Explanation, Finding, Section } from './explanation.ts';
import { explainEnd } from './finishedRun.ts';
import { explainUnderWay } from './runUnderWay.ts';
import { explainWaiting, waitTimes } from './waitingRun.ts';
import { moment, relative, sentence, span } from './words.ts';

export function explainRun(seen: RunEvidence): Explanation {
  const finding = findingOf(seen);
  const { namespace = '', name } = seen.run.metadata;
  return {
    kind: 'ProwJob',
    namespace,
    name,
    code: finding.code,
    headline: finding.headline,
    sections: [
      { lines: [aboutLine(seen), ...finding.lines] },
      ...(finding.sections ?? []),
      attemptsSection(seen),
      eventsSection(seen, finding.lines),
    ],
    actions: finding.actions,
    unread: seen.unread,
  };
}

function findingOf(seen: RunEvidence): Finding {
  const { run } = seen;
  if (isComplete(run)) return explainEnd(seen);
  if (!isOurs(run)) return notOurs(seen);
  if (run.metadata.deletionTimestamp !== undefined) return beingDeleted(seen);
  const { state, attempts, waiting, conditions } = statusOf(run);
  if (state !== 'triggered' || (attempts?.length ?? 0) > 0 || run.spec.abort !== undefined) return explainUnderWay(seen);
  if (waiting !== undefined) return explainWaiting(seen, waiting);
  return conditions === undefined || conditions.length === 0 ? unseen(seen) : aboutToStart(seen);
}

function aboutLine({ run }: RunEvidence): string {
  const { job, type, refs } = run.spec;
  const pull = refs?.pulls?.[0];
  const what = refs === undefined ? '' : ` of ${refs.org}/${refs.repo}${pull === undefined ? '' : `#${pull.number}`}`;
  const where = clusterOf(run) === 'default' ? '' : `, on build cluster "${clusterOf(run)}"`;
  return `A ${type} run of the job "${job}"${what}${where}.`;
}

const newestEvents = 5;

/** Progress that status and the table of attempts tell better. */
const plain: ReadonlySet<string> = new Set(['Scheduled', 'Pulling', 'Pulled', 'Created', 'Started', 'Killing']);

/** What was said, without what the lines above say already. */
function eventsSection({ events, nowMs, run }: RunEvidence, lines: readonly string[]): Section {
  const known = [run.status?.description, run.status?.waiting?.message, ...lines].filter((text) => text !== undefined);
  const causes = new Set<string | undefined>(run.status?.attempts?.map(({ cause }) => cause));
  const telling = events.filter(
    ({ about, reason, note }) =>
      !plain.has(reason) && !known.some((text) => text.includes(note.trim())) && !(about.startsWith('ProwJob ') && causes.has(reason)),
  );
  const shown = telling.slice(-newestEvents).map(({ lastMs, about, reason, note, count }) => {
    const times = count > 1 ? ` (${count} times)` : '';
    return `${relative(lastMs, nowMs)}: ${about}: ${reason}${times}: ${shortened(sentence(note))}`;
  });
  return { title: 'Events', lines: shown };
}

const longestNote = 200;

const shortened = (text: string): string => (text.length <= longestNote ? text : `${text.slice(0, longestNote)}…`);

function notOurs({ run }: RunEvidence): Finding {
  const { agent = '' } = run.spec;
  if (statusOf(run).state === 'scheduling') {
    return {
      code: 'Scheduling',
      headline: 'Its state is "scheduling": somebody else must choose a build cluster for it first.',
      lines: ['This operator starts it when its state has become "triggered".'],
      actions: ["See what chooses clusters in your installation (Prow's scheduler), or create the run without status.state."],
    };
  }
  return {
    code: 'OtherAgent',
    headline: `It is for the agent "${agent}" (spec.agent); this operator leaves it alone.`,
    lines: [],
    actions: ['Ask whoever runs that agent, or start the job again with agent: kubernetes.'],
  };
}

const beingDeleted = ({ run }: RunEvidence): Finding => ({
  code: 'Deleting',
  headline: 'It is being deleted.',
  lines: (run.metadata.finalizers ?? []).map((finalizer) => `It is held by the finalizer ${finalizer}.`),
  actions: ['Nothing: it goes when nothing holds it any more.'],
});

/** So much later than its creation a run should have been seen. */
const patienceMs = 15_000;

function unseen(seen: RunEvidence): Finding {
  const { run, nowMs } = seen;
  const ageMs = nowMs - createdMsOf(run);
  const isLate = ageMs > patienceMs;
  return {
    code: 'Unseen',
    headline: isLate ? `The operator has not looked at it in ${span(ageMs)}: it may not be running.` : 'It has just been created.',
    lines: waitTimes(seen),
    actions: isLate
      ? [
          'See whether the operator works, and whether it watches this namespace: kubectl get lease -A, kubectl get pods -A -l app.kubernetes.io/name=prow-operator',
        ]
      : ['Look again in a few seconds.'],
  };
}

function aboutToStart(seen: RunEvidence): Finding {
  return {
    code: 'Starting',
    headline: 'Nothing that is written down keeps it from starting.',
    lines: [`Created ${moment(createdMsOf(seen.run), seen.nowMs)}.`],
    actions: ['Look again in a few seconds. If it stays like this, see whether the operator works: kubectl get lease -A'],
  };
}
