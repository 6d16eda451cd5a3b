/**
 * The story of the demo, scene by scene. Every scene waits for what it claims to show; nothing is taken for granted because time has passed.
 */
import path from 'node:path';
import { renderChart } from '../../tools/helm.ts';
import { figures, promises, type Expected } from './promises.ts';
import { logBox, seconds } from './screen.ts';
import { epochMs, namespace, type Stage } from './stage.ts';
import type { Cell, Run, Schedule } from './world.ts';

const root = path.join(import.meta.dirname, '..', '..');
const chart = path.join(root, 'examples', 'eks-matrix');

const cell = (stage: string, region: string, job: string): Cell => ({ stage, region, job });
const soaking = cell('prod', 'us-west-2', 'hpa');
const hung = cell('prod', 'us-east-1', 'gpu');
/** As the table in the README of the chart says. */
const failing = [
  cell('beta', 'us-east-1', 'conformance'),
  ...['conformance', 'conformance-fast-1', 'conformance-fast-4'].map((job) => cell('beta', 'ap-northeast-1', job)),
  cell('prod', 'eu-west-1', 'conformance'),
  cell('beta', 'eu-west-1', 'hpa'),
];

/** The schedules for somebody who looks around: a run a minute. */
const calm = ['jobs.conformance-fast-1.cron=@every 60s', 'jobs.conformance-fast-4.cron=@every 60s'];

const isOf = (run: Run, { stage, region, job }: Cell): boolean => run.stage === stage && run.region === region && run.job === job;

/** Plays all scenes. False when a promise did not hold. */
export async function play(stage: Stage): Promise<boolean> {
  stage.terminal.print('', stage.terminal.paint('bold', ' prow-operator: forty schedules, their runs, a crash, and the clean-up'), '');
  await setUp(stage);
  stage.show();
  await showLogs(stage);
  const abortedUid = await abortOne(stage);
  await crash(stage);
  await watchTheDeadline(stage);
  await letAllFinish(stage);
  await watchCleanup(stage);
  stage.hide();
  return summary(stage, { schedules: stage.total, abortedUid, hung, failing });
}

/** For `make sandbox`: the same cluster, left running. */
export async function keepOpen(stage: Stage): Promise<boolean> {
  await setUp(stage);
  stage.lift();
  const { paint } = stage.terminal;
  stage.terminal.print(
    '',
    paint('bold', ' It is all yours until Ctrl-C. In another terminal:'),
    '',
    `   export KUBECONFIG=${stage.kubeconfig}`,
    `   export PATH=${path.join(root, 'tools', 'k8s', 'bin')}:$PATH     # kubectl and helm`,
    '',
    `   kubectl -n ${namespace} get periodics`,
    `   kubectl -n ${namespace} get prowjobs -w`,
    `   kubectl -n ${namespace} logs -f -l prow.k8s.io/type=periodic --tail 3 --max-log-requests 50`,
    `   kubectl -n ${namespace} annotate periodic eks-beta-us-west-2-hpa prow.k8s.io/run-now=$(date +%s) --overwrite`,
    `   kubectl -n ${namespace} describe periodic eks-prod-us-east-1-gpu`,
    `   kubectl explain prowjob.spec.timeouts`,
    `   find ${path.join(path.dirname(stage.kubeconfig), 'archive')} -name build-log.txt     # kept when the pods are gone`,
    `   kill -9 ${stage.operatorPid}     # and start it again: node bin/prow-operator.mjs run --kubeconfig $KUBECONFIG`,
    '',
  );
  await stage.untilInterrupted();
  return true;
}

async function setUp(stage: Stage): Promise<void> {
  const { world } = stage;
  await stage.step('a Kubernetes API on 127.0.0.1 that runs pods as processes: the sandbox', () => stage.startSandbox());
  await stage.step('kubectl apply: the four kinds of prow.k8s.io', async () => {
    await stage.cluster.kubectl(['apply', '-f', path.join(root, 'crds', 'generated')]);
    await stage.cluster.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=10s']);
    await stage.cluster.kubectl(
      ['apply', '-f', '-'],
      JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }),
    );
  });
  await stage.cluster.follow(world, epochMs);
  await stage.step('helm template | kubectl apply: five jobs, two stages, four regions', async () => {
    const manifests = renderChart({ chart, namespace, valuesFiles: [path.join(chart, 'values-demo.yaml')], set: stage.keep ? calm : [] });
    await stage.cluster.kubectl(['apply', '-n', namespace, '-f', '-'], manifests);
    await stage.until(`${stage.total} Periodics`, 10_000, () => world.schedules.size === stage.total);
  });
  await stage.step('the operator, a process of its own, takes the lease and looks at them all', async () => {
    stage.startOperator();
    await stage.until('every Periodic to have a status', 20_000, () => [...world.schedules.values()].every((schedule) => schedule.ready));
    stage.operatorIsBack();
  });
  await stage.step('those whose hour is far are started by hand, with an annotation', async () => {
    const idle = [...world.schedules.values()].filter((schedule) => schedule.job === 'conformance' || schedule.job === 'hpa');
    await Promise.all(idle.map((schedule) => stage.cluster.runNow(schedule, 'demo')));
  });
}

async function showLogs(stage: Stage): Promise<void> {
  const { world, terminal } = stage;
  const scenes = [
    { title: 'A success', job: 'gpu', state: 'success', lines: 9 },
    { title: 'A failure', job: 'hpa', state: 'failure', lines: 11 },
  ];
  for (const { title, job, state, lines } of scenes) {
    const run = await stage.until(`a ${state} of a ${job} job`, 30_000, () =>
      [...world.runs.values()].find((each) => each.state === state && each.job === job && each.complete),
    );
    const log = await stage.cluster.log(run);
    terminal.print('', ...logBox(`${title}: kubectl logs ${run.podName}`, log, lines, terminal.paint), '');
  }
}

async function abortOne(stage: Stage): Promise<string> {
  const { world } = stage;
  const run = await stage.until('the soaking run to be under way', 20_000, () =>
    [...world.runs.values()].find((each) => isOf(each, soaking) && world.podsOf(each).some((pod) => pod.phase === 'Running')),
  );
  await stage.step(`abort ${run.name}, which would soak for ten minutes`, async () => {
    await stage.cluster.abort(run, 'demo', 'seen enough');
    await stage.until('the abort', 15_000, () => run.complete);
  });
  return run.uid;
}

async function crash(stage: Stage): Promise<void> {
  const { world } = stage;
  const flying = await stage.until(
    'half of the schedules to have a result',
    40_000,
    () => world.finishedSchedules >= stage.total / 2 && world.active.length >= 3 && world.active,
  );
  const pid = stage.operatorPid;
  await stage.killOperator();
  stage.say(`kill -9 ${pid}: the operator is gone, ${flying.length} runs are under way`);
  await stage.pause(2_500);
  const before = world.runs.size;
  await stage.step('started again: it takes the lease over and goes on', async () => {
    stage.startOperator();
    await stage.until('the runs of before the crash to end', 25_000, () =>
      flying.filter((run) => !isOf(run, hung)).every((run) => run.complete),
    );
    await stage.until('new runs after the crash', 15_000, () => world.runs.size > before);
    stage.operatorIsBack();
  });
}

async function watchTheDeadline(stage: Stage): Promise<void> {
  const { world } = stage;
  const run = await stage.until('the hanging run to meet its deadline', 40_000, () =>
    [...world.runs.values()].find((each) => isOf(each, hung) && each.complete),
  );
  stage.say(`${run.name} waited for a device until its deadline`, run.reason);
}

async function letAllFinish(stage: Stage): Promise<void> {
  const { world } = stage;
  await stage.until('every schedule to have a finished run', 40_000, () => world.finishedSchedules === stage.total);
  // Before anything is suspended every schedule has dealt with the slots of the outage, and met one after it in time.
  const backMs = stage.outages.at(-1)?.toMs ?? 0;
  const isOnTime = (schedule: Schedule): boolean =>
    schedule.everyMs === undefined || world.runsOf(schedule).some((run) => (run.slotMs ?? 0) > backMs);
  await stage.until('a slot of every fast schedule after the crash', 30_000, () => [...world.schedules.values()].every(isOnTime));
  await stage.step('suspend all schedules, let what runs come to its end', async () => {
    await Promise.all([...world.schedules.values()].map((schedule) => stage.cluster.suspend(schedule)));
    await stage.until('all runs to end', 30_000, () => world.active.length === 0);
  });
}

async function watchCleanup(stage: Stage): Promise<void> {
  const { world } = stage;
  await stage.step(
    'cleanup: pods 7 s and runs 14 s after their end, but the latest run of each stays',
    () => stage.until('cleanup to finish', 30_000, () => world.present.runs === stage.total && world.present.pods === 0),
    () => `${world.present.runs} runs left`,
  );
}

async function summary(stage: Stage, expected: Expected): Promise<boolean> {
  const { world, terminal } = stage;
  const { paint } = terminal;
  const writes = await stage.cluster.writes();
  await stage.step(
    'SIGTERM: the operator ends in order',
    () => stage.stopOperator(),
    (ending) => ending,
  );
  const seen = figures(world, stage.outages);
  const per = (verbs: readonly string[]): string => (verbs.reduce((sum, verb) => sum + (writes.get(verb) ?? 0), 0) / seen.runs).toFixed(2);
  const states = ['success', 'failure', 'aborted', 'error'] as const;
  const lines: readonly (readonly [string, string])[] = [
    ['runs', `${seen.runs}: ${states.map((state) => `${world.count(state)} ${state}`).join(', ')}`],
    ['pods', `${seen.pods} seen, ${seen.podsDeleted} cleaned up; ${seen.runsDeleted} runs cleaned up`],
    ['slot to run, median', seconds(seen.slotLagMs)],
    ['run to pod, median', seconds(seen.startLatencyMs)],
    ['writes per run', `${per(['POST pods', 'PATCH prowjobs/status'])} from its creation to its end`],
    ['operator', `started ${stage.starts} times, killed ${stage.starts - 1} time`],
    ['time', seconds(stage.elapsedMs)],
  ];
  terminal.print(
    '',
    paint('bold', ' Figures'),
    ...lines.map(([name, value]) => `   ${name.padEnd(22)}${value}`),
    '',
    paint('bold', ' Promises'),
  );
  const verdicts = promises(world, expected);
  for (const { says, broken } of verdicts) {
    terminal.print(
      `   ${broken.length === 0 ? paint('green', '✓') : paint('red', '✗')} ${says}`,
      ...broken.slice(0, 5).map((what) => paint('red', `       ${what}`)),
    );
  }
  const held = verdicts.every(({ broken }) => broken.length === 0);
  terminal.print(
    '',
    held ? paint('green', ' Every promise held.') : paint('red', ' A promise did not hold.'),
    '',
    ' Where to go next',
    '   make sandbox                  the same cluster, left running for your kubectl',
    '   examples/first-periodic/      your first schedule',
    '   examples/eks-matrix/          the chart you have just seen',
    '   docs/                         guide and reference',
    '',
  );
  return held;
}
