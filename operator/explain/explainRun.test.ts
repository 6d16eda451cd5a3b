/** What `why` says of a run, case by case: the word for programs, the sentence, what must be said, and what may not. */
import { describe, expect, it } from 'vitest';
import { runReasons, waitReasons } from '../../crds/v1/prowJob.ts';
import type { BuildCluster } from '../../crds/v1/buildCluster.ts';
import { explainRun } from './explainRun.ts';
import { explanationText } from './explanation.ts';
import { aPod, aRun, ended, evidence, now, pendingStatus, seenStatus, textOf, type EvidenceInput } from './testing/evidence.ts';

interface Case {
  readonly name: string;
  readonly given: EvidenceInput;
  readonly code: string;
  /** Texts that the answer must hold. */
  readonly says: readonly (string | RegExp)[];
  readonly never?: readonly string[];
}

function check({ given, code, says, never = [] }: Case): void {
  const explanation = explainRun(evidence(given));
  const text = explanationText(explanation);
  expect(explanation.code).toBe(code);
  for (const part of says) {
    if (typeof part === 'string') expect(text).toContain(part);
    else expect(text).toMatch(part);
  }
  for (const part of never) expect(text).not.toContain(part);
  expect(explanation.actions.length).toBeGreaterThan(0);
  expect(text).not.toMatch(/undefined|NaN|\[object|\.\.$/m);
}

const waits = (reason: (typeof waitReasons)[number], message?: string) =>
  seenStatus({ waiting: { reason, ...(message === undefined ? {} : { message }) } });
const holder = (name: string, more: Parameters<typeof aRun>[0] = {}) =>
  aRun({ name, ...more, status: pendingStatus({ attempts: [{ number: 1, pod_name: name, build_id: '1', node: 'node-7' }] }) });
const gpu = (ready: 'True' | 'False', paused = false): BuildCluster => ({
  metadata: { name: 'gpu-cluster', namespace: 'ci' },
  spec: { alias: 'gpu', kubeconfigSecretRef: { name: 's', key: 'k' }, paused },
  status: { conditions: [{ type: 'Ready', status: ready, reason: 'Unreachable', message: 'connection refused', lastTransitionTime: now }] },
});

const waiting: readonly Case[] = [
  {
    name: 'its job has all its runs: who has them, who is before it, until when it may wait',
    given: {
      run: aRun({ spec: { max_concurrency: 2 }, status: waits('MaxConcurrency', 'The job has all 2.') }),
      others: [
        holder('busy-1'),
        holder('busy-2'),
        aRun({ name: 'older', created: '2026-11-22T11:40:00Z', status: waits('MaxConcurrency') }),
        aRun({ name: 'urgent', created: '2026-11-22T11:59:00Z', spec: { priority: 5 }, status: waits('MaxConcurrency') }),
        holder('other-job', { spec: { job: 'lint' } }),
        holder('other-namespace', { namespace: 'team' }),
      ],
    },
    code: 'MaxConcurrency',
    says: [
      'the job "unit" may have only 2 runs at a time',
      'Who has the places: 2 runs',
      'busy-1, started 9 min ago on node node-7',
      'It is number 3 of 3 that wait',
      'urgent (priority 5, this one has 0)',
      'older (older)',
      '2026-11-23T11:50:00Z (in 23 h 50 min)',
      '24h, unless they were changed',
      'prow-operator abort -n ci busy-1',
    ],
    never: ['other-job', 'other-namespace'],
  },
  {
    name: 'a queue counts over namespaces; its own deadline is told as its own',
    given: {
      run: aRun({
        spec: { job_queue_name: 'gpu', timeouts: { queue: '1h' } },
        status: waits('QueueFull', 'Queue "gpu" has all 1 of its runs.'),
      }),
      others: [holder('far', { namespace: 'team', spec: { job_queue_name: 'gpu', job: 'x' } }), holder('no-queue')],
    },
    code: 'QueueFull',
    says: [
      'the queue "gpu" is full',
      'The operator says: Queue "gpu" has all 1 of its runs.',
      'team/far',
      'It is the only one that waits',
      '2026-11-22T12:50:00Z (in 50 min), the queue deadline 1h (spec.timeouts.queue)',
      'prow-operator abort -n team far',
    ],
    never: ['no-queue'],
  },
  {
    name: 'only its own namespace can be read',
    given: { run: aRun({ status: waits('GlobalLimit', 'All 10 runs are taken.') }), seesAllNamespaces: false },
    code: 'GlobalLimit',
    says: ['The operator says: All 10 runs are taken.', 'Only the runs of this namespace can be read', 'No such run is seen'],
  },
  {
    name: 'a run that is being ended keeps its place',
    given: {
      run: aRun({ status: waits('NamespaceLimit', 'full') }),
      others: [
        aRun({ name: 'leaving', spec: { job: 'x', abort: { by: 'eve' } }, status: pendingStatus({ description: 'Aborted by eve.' }) }),
        aRun({ name: 'given-up', spec: { abort: { by: 'eve' } } }),
      ],
    },
    code: 'NamespaceLimit',
    says: [
      'the namespace ci has all the runs',
      'leaving, started 9 min ago, is being ended (Aborted by eve.)',
      'It is the only one that waits',
    ],
    never: ['given-up'],
  },
  {
    name: 'a build cluster is full',
    given: {
      run: aRun({ spec: { cluster: 'gpu' }, status: waits('ClusterLimit', 'Cluster "gpu" has all 3 of its runs.') }),
      others: [
        holder('there', { spec: { cluster: 'gpu' } }),
        holder('here'),
        holder('same-word', { namespace: 'team', spec: { cluster: 'gpu' } }),
      ],
    },
    code: 'ClusterLimit',
    says: ['the build cluster "gpu" has all', 'Who has the places: 1 run', 'there, started', 'spec.maxConcurrency of the BuildCluster'],
    never: ['here, started 9 min ago on node node-7\n  there', 'same-word'],
  },
  {
    name: 'nobody knows its queue',
    given: { run: aRun({ spec: { job_queue_name: 'gpus' }, status: waits('QueueUnknown', 'No queue "gpus".') }) },
    code: 'QueueUnknown',
    says: ['will not start as things are', '"gpus"', 'prowJobs.queueCapacities'],
  },
  {
    name: 'its cluster is away',
    given: { run: aRun({ spec: { cluster: 'gpu' }, status: waits('ClusterUnavailable', 'It is away.') }), buildCluster: gpu('False') },
    code: 'ClusterUnavailable',
    says: [
      'the build cluster "gpu" cannot be used now',
      'BuildCluster gpu-cluster is not ready: Unreachable. connection refused.',
      'describe buildcluster gpu-cluster',
    ],
  },
  {
    name: 'nobody declares its cluster any more',
    given: { run: aRun({ spec: { cluster: 'gpu' }, status: waits('ClusterUnavailable') }), buildCluster: null },
    code: 'ClusterUnavailable',
    says: ['No BuildCluster in this namespace has the alias "gpu".'],
  },
  {
    name: 'its cluster is paused',
    given: { run: aRun({ spec: { cluster: 'gpu' }, status: waits('ClusterPaused', 'Paused.') }), buildCluster: gpu('True', true) },
    code: 'ClusterPaused',
    says: ['is paused', 'patch buildcluster gpu-cluster --type merge -p \'{"spec":{"paused":false}}\''],
  },
  {
    name: 'a quota has no room: what is used up',
    given: {
      run: aRun({ status: pendingStatus({ waiting: { reason: 'QuotaExceeded', message: 'exceeded quota: small' } }) }),
      quotas: [{ metadata: { name: 'small' }, status: { hard: { pods: '2', cpu: '4' }, used: { pods: '2' } } }],
    },
    code: 'QuotaExceeded',
    says: ['exceeded quota: small.', 'ResourceQuota small: pods 2 of 2', 'ResourceQuota small: cpu 0 of 4', '2026-11-23T11:51:00Z'],
  },
  {
    name: 'the API server does not take its pod',
    given: { run: aRun({ status: pendingStatus({ waiting: { reason: 'PodRefused', message: 'namespace "x" not found' } }) }) },
    code: 'PodRefused',
    says: ['namespace "x" not found', 'tries again and again'],
  },
  {
    name: 'the operator has not seen it for long',
    given: { run: aRun() },
    code: 'Unseen',
    says: ['has not looked at it in 10 min', 'kubectl get lease -A'],
  },
  { name: 'it is brand new', given: { run: aRun({ created: now }) }, code: 'Unseen', says: ['It has just been created.'] },
  { name: 'nothing holds it', given: { run: aRun({ status: seenStatus({}) }) }, code: 'Starting', says: ['Nothing that is written down'] },
  {
    name: 'it is for another agent',
    given: { run: aRun({ spec: { agent: 'jenkins' } }) },
    code: 'OtherAgent',
    says: ['for the agent "jenkins"'],
  },
  { name: 'nobody chose a cluster', given: { run: aRun({ status: { state: 'scheduling' } }) }, code: 'Scheduling', says: ['"scheduling"'] },
];

const underWay: readonly Case[] = [
  {
    name: 'no node has room: the words of the scheduler, and the deadline',
    given: {
      run: aRun({ spec: { timeouts: { unscheduled: '15m' } }, status: pendingStatus() }),
      pods: [
        aPod({
          phase: 'Pending',
          conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes are available' }],
        }),
      ],
    },
    code: 'Unscheduled',
    says: [
      'The scheduler says: 0/3 nodes are available.',
      '2026-11-22T12:06:00Z (in 6 min), the unscheduled deadline 15m (spec.timeouts.unscheduled)',
      'Pending',
    ],
  },
  {
    name: 'an image is missing',
    given: {
      run: aRun({ spec: { decoration_config: { pod_pending_timeout: '20m' } }, status: pendingStatus() }),
      pods: [
        aPod(
          {
            phase: 'Pending',
            startTime: '2026-11-22T11:52:00Z',
            containerStatuses: [{ name: 'test', state: { waiting: { reason: 'ImagePullBackOff', message: 'not found' } } }],
          },
          { node: 'node-1' },
        ),
      ],
    },
    code: 'ImageMissing',
    says: [
      '"busybox" of container test cannot be had',
      'waits: ImagePullBackOff: not found.',
      'spec.decoration_config.pod_pending_timeout',
      'Node node-1 took it 8 min ago',
    ],
  },
  {
    name: 'a Secret is missing',
    given: {
      run: aRun({ status: pendingStatus() }),
      pods: [
        aPod({
          phase: 'Pending',
          startTime: now,
          containerStatuses: [
            { name: 'test', state: { waiting: { reason: 'CreateContainerConfigError', message: 'secret "x" not found' } } },
          ],
        }),
      ],
    },
    code: 'ContainerConfig',
    says: ['cannot start container test', 'secret "x" not found', 'Create what the message names'],
  },
  {
    name: 'it is on a node and has not begun',
    given: {
      run: aRun({ status: pendingStatus() }),
      pods: [aPod({ phase: 'Pending', startTime: now, initContainerStatuses: [{ name: 'init', state: {} }] })],
    },
    code: 'PodPending',
    says: ['has not begun to run', 'Container init waits: nothing that the node has told.'],
  },
  {
    name: 'it runs, with a limit of the test itself',
    given: {
      run: aRun({ spec: { decoration_config: { timeout: '30m' } }, status: pendingStatus() }),
      pods: [
        aPod(
          {
            phase: 'Running',
            startTime: '2026-11-22T11:52:00Z',
            containerStatuses: [{ name: 'test', state: { running: { startedAt: '2026-11-22T11:53:00Z' } } }],
          },
          { node: 'node-1' },
        ),
      ],
    },
    code: 'Running',
    says: ['on node node-1, for 8 min', '2026-11-22T12:23:00Z (in 23 min), the test deadline 30m', 'logs -f -n ci run', '48h'],
  },
  {
    name: 'its pod is being deleted and held',
    given: {
      run: aRun({ status: pendingStatus() }),
      pods: [aPod({ phase: 'Running' }, { deletionTimestamp: '2026-11-22T12:00:30Z', finalizers: ['example.com/x'] })],
    },
    code: 'PodEnding',
    says: ['is being deleted', '(in 30 s)', 'example.com/x'],
  },
  {
    name: 'its pod has ended, and nobody wrote it yet',
    given: {
      run: aRun({ status: pendingStatus() }),
      pods: [aPod({ phase: 'Failed', containerStatuses: [{ name: 'test', state: { terminated: { exitCode: 2, reason: 'Error' } } }] })],
    },
    code: 'PodEnded',
    says: ['ended with exit code 2 (Error)'],
  },
  { name: 'its pod is not there', given: { run: aRun({ status: pendingStatus() }) }, code: 'NoPod', says: ['is not there'] },
  {
    name: 'its pod is out of reach',
    given: { run: aRun({ spec: { cluster: 'gpu' }, status: pendingStatus() }), podsWereRead: false, unread: ['Its pods are elsewhere.'] },
    code: 'PodNotRead',
    says: ['--pod-kubeconfig', 'Not known', 'Its pods are elsewhere.', 'on build cluster "gpu"'],
  },
  {
    name: 'an attempt was lost and another follows',
    given: {
      run: aRun({
        status: pendingStatus({
          description: 'Attempt 1 was lost.',
          attempts: [{ number: 1, pod_name: 'run', build_id: '1', cause: 'Evicted', finished: now }],
        }),
      }),
    },
    code: 'Retrying',
    says: ['lost attempt 1 to Evicted', 'Attempt 1 was lost.'],
  },
  {
    name: 'somebody asked for its end',
    given: {
      run: aRun({ spec: { abort: { by: 'eve', reason: 'wrong branch' } }, status: pendingStatus() }),
      pods: [aPod({ phase: 'Running' }, { deletionTimestamp: '2026-11-22T12:00:10Z' })],
    },
    code: 'Aborting',
    says: ['eve asked for its end: wrong branch.', '(in 10 s)'],
  },
];

const attempt = (number: number, cause: 'Evicted' | 'NodeLost', node: string) => ({
  number,
  pod_name: number === 1 ? 'run' : `run-${number}`,
  build_id: String(number),
  node,
  started: '2026-11-22T11:51:00Z',
  finished: '2026-11-22T11:52:30Z',
  cause,
});

const ends: readonly Case[] = [
  {
    name: 'evicted: the node, its words, what it is short of now, the attempts',
    given: {
      run: aRun({ spec: { error_on_eviction: true }, status: ended('Evicted', { description: 'Pod run was evicted.' }) }),
      pods: [aPod({ phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.' }, { node: 'node-1' })],
      nodes: new Map([
        [
          'node-1',
          {
            metadata: { name: 'node-1' },
            status: { conditions: [{ type: 'MemoryPressure', status: 'True', lastTransitionTime: '2026-11-22T11:54:00Z' }] },
          },
        ],
      ]),
    },
    code: 'Evicted',
    says: [
      'Its pod on node node-1 was evicted. It says nothing about the test.',
      'Of attempt 1 the node said: The node was low on resource: memory.',
      'Node node-1 still has MemoryPressure, for 6 min.',
      'spec.error_on_eviction is true',
      /1 {2}run {2}node-1 {2}4 min {3}Evicted {2}-/,
      'prow-operator rerun -n ci run',
    ],
  },
  {
    name: 'what status says of an eviction is not said twice',
    given: {
      run: aRun({ status: ended('Evicted', { description: 'Pod run was evicted: The node was low on memory.' }) }),
      pods: [aPod({ phase: 'Failed', message: 'The node was low on memory. ' })],
      nodes: new Map([['node-1', null]]),
    },
    code: 'Evicted',
    says: ['Node node-1 does not exist any more.'],
    never: ['the node said'],
  },
  {
    name: 'out of memory: container, limit, exit code',
    given: {
      run: aRun({ periodic: 'nightly', status: ended('OOMKilled') }),
      pods: [
        aPod(
          {
            phase: 'Failed',
            containerStatuses: [
              { name: 'fine', state: { terminated: { exitCode: 0 } } },
              { name: 'test', state: { terminated: { exitCode: 137, reason: 'OOMKilled' } } },
            ],
          },
          { spec: { containers: [{ name: 'fine' }, { name: 'test', resources: { limits: { memory: '256Mi' } } }] } },
        ),
      ],
    },
    code: 'OOMKilled',
    says: ['The container test was killed.', 'The memory limit of container test is 256Mi', 'Its exit code is 137', 'rerun --latest'],
    never: ['container fine'],
  },
  {
    name: 'out of memory, and the pod is gone: what status and the job still know',
    given: { run: aRun({ status: ended('OOMKilled', { attempts: [{ number: 1, pod_name: 'run', build_id: '1', exit_code: 137 }] }) }) },
    code: 'OOMKilled',
    says: ['Container test has no memory limit of its own', '137'],
    never: ['was killed.\n  The memory'],
  },
  {
    name: 'superseded: by which run, and both commits',
    given: {
      run: aRun({
        spec: {
          type: 'presubmit',
          refs: { org: 'acme', repo: 'widget', base_ref: 'main', pulls: [{ number: 7, sha: 'a'.repeat(40), author: 'x' }] },
        },
        status: ended('Superseded', { state: 'aborted', superseded_by: 'newer' }),
      }),
      successor: aRun({
        name: 'newer',
        spec: {
          type: 'presubmit',
          refs: { org: 'acme', repo: 'widget', base_ref: 'main', pulls: [{ number: 7, sha: 'b'.repeat(40), author: 'x' }] },
        },
        status: pendingStatus(),
      }),
    },
    code: 'Superseded',
    says: [
      'took its place: newer.',
      'of acme/widget#7',
      '#7 at aaaaaaaaaaaa, the newer one tests bbbbbbbbbbbb',
      'newer is in the state pending.',
      'why -n ci newer',
    ],
  },
  {
    name: 'superseded by a run that is gone',
    given: { run: aRun({ status: ended('Superseded', { state: 'aborted', superseded_by: 'newer' }) }) },
    code: 'Superseded',
    says: ['newer is not there any more.'],
  },
  {
    name: 'all attempts lost: causes counted, the same words once',
    given: {
      run: aRun({
        status: ended('RetriesExhausted', {
          attempts: [attempt(1, 'Evicted', 'a'), attempt(2, 'Evicted', 'b'), attempt(3, 'NodeLost', 'c')],
        }),
      }),
      pods: [aPod({ phase: 'Failed', message: 'low on memory' }), aPod({ phase: 'Failed', message: 'low on memory' }, { name: 'run-2' })],
      nodes: new Map([
        [
          'c',
          {
            metadata: { name: 'c' },
            status: { conditions: [{ type: 'Ready', status: 'Unknown', lastTransitionTime: '2026-11-22T11:50:00Z' }] },
          },
        ],
      ]),
    },
    code: 'RetriesExhausted',
    says: [
      'All 3 attempts',
      'Causes: Evicted 2 times, NodeLost 1 time.',
      'Of attempts 1 and 2 the node said: low on memory.',
      'Node c is not Ready, for 10 min.',
    ],
  },
  {
    name: 'the test failed: its exit code and the log',
    given: {
      run: aRun({
        status: ended('TestFailed', {
          state: 'failure',
          attempts: [{ number: 1, pod_name: 'run', build_id: '1', exit_code: 2 }],
          url: 'https://x/1',
        }),
      }),
    },
    code: 'TestFailed',
    says: ['it ended with exit code 2', 'prow-operator logs -n ci run', 'Link: https://x/1'],
  },
  {
    name: 'aborted: by whom and why',
    given: { run: aRun({ spec: { abort: { by: 'eve', reason: 'wrong branch' } }, status: ended('Aborted', { state: 'aborted' }) }) },
    code: 'Aborted',
    says: ['It was ended by eve: wrong branch.'],
  },
  {
    name: "aborted in Prow's way",
    given: { run: aRun({ status: ended('Aborted', { state: 'aborted' }) }) },
    code: 'Aborted',
    says: ['by somebody, who gave no reason', 'nobody is named'],
  },
  {
    name: 'ran too long: the deadline of the settings',
    given: { run: aRun({ status: ended('RunningTimeout', { state: 'aborted' }) }) },
    code: 'RunningTimeout',
    says: ["of the operator's settings (48h, unless they were changed)", 'set spec.timeouts.running in the job'],
  },
  {
    name: 'the test itself ran too long',
    given: { run: aRun({ spec: { decoration_config: { timeout: '2h' } }, status: ended('RunningTimeout', { state: 'failure' }) }) },
    code: 'RunningTimeout',
    says: ['counts as failed', '2h (spec.decoration_config.timeout)'],
  },
  {
    name: 'no node in time: the deadline of the decoration',
    given: { run: aRun({ spec: { decoration_config: { pod_unscheduled_timeout: '7m30s' } }, status: ended('UnscheduledTimeout') }) },
    code: 'UnscheduledTimeout',
    says: ['7m30s (spec.decoration_config.pod_unscheduled_timeout)'],
  },
  {
    name: 'waited too long and never had a pod',
    given: {
      run: aRun({
        status: { state: 'error', reason: 'QueueTimeout', completionTime: '2026-11-22T11:55:00Z', description: 'All places were taken' },
      }),
    },
    code: 'QueueTimeout',
    says: ['and never had a pod.', 'Its status says: All places were taken.'],
    never: ['Attempts'],
  },
  {
    name: 'ended by another program',
    given: { run: aRun({ status: { state: 'failure', completionTime: '2026-11-22T11:55:00Z' } }) },
    code: 'failure',
    says: ['gives no reason that this program knows'],
  },
];

describe('a run that waits', () => it.each(waiting)('$name', check));
describe('a run under way', () => it.each(underWay)('$name', check));
describe('a run that has ended', () => it.each(ends)('$name', check));

describe('every reason of the API', () => {
  it.each(runReasons)('%s ends in words and in something to do', (reason) => {
    const explanation = explainRun(evidence({ run: aRun({ status: ended(reason) }) }));
    expect(explanation.code).toBe(reason);
    expect(explanation.headline).toMatch(/^(It|Its|The|All|No|A|An) .*[.]$/);
    expect(explanation.headline).not.toContain('no reason that this program knows');
    expect(explanation.actions).not.toEqual([]);
  });

  it.each(waitReasons)('%s is explained', (reason) => {
    const explanation = explainRun(evidence({ run: aRun({ status: waits(reason, 'because') }) }));
    expect(explanation.code).toBe(reason);
    expect(explanation.headline).toMatch(/^It waits/);
  });
});

it('tells of Events what nothing else tells, the newest last', () => {
  const event = (reason: string, note: string, about = 'Pod run') => ({
    reason,
    note,
    type: 'Warning',
    count: reason === 'Unhealthy' ? 3 : 1,
    lastMs: Date.parse(now) - 5000,
    about,
  });
  const text = textOf({
    run: aRun({ status: ended('Evicted', { description: 'Pod run was evicted: low on disk.' }) }),
    events: [
      event('Scheduled', 'assigned'),
      event('Evicted', 'low on disk.'),
      event('Evicted', 'whatever', 'ProwJob run'),
      event('Unhealthy', 'x'.repeat(300)),
    ],
  });
  const [, events = ''] = text.split('Events\n');
  expect(events.split('\n\n')[0]).toBe(`  5 s ago: Pod run: Unhealthy (3 times): ${'x'.repeat(200)}…`);
});

it('is the same for the same evidence, and never changes it', () => {
  const given = evidence({ run: aRun({ status: waits('MaxConcurrency') }), others: [holder('b'), holder('a')] });
  const before = JSON.stringify(given);
  expect(explainRun(given)).toEqual(explainRun(given));
  expect(JSON.stringify(given)).toBe(before);
});
