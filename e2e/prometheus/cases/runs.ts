/** The alerts of runs.yaml. */
import { quiet, type AlertCase } from '../alertCase.ts';

export const runCases: readonly AlertCase[] = [
  {
    alert: 'ProwRunStuck',
    when: 'a run is not ended by its deadline',
    series: { 'prowjob_overdue_seconds{phase="running"}': '0+60x15', 'prowjob_overdue_seconds{phase="queue"}': '0x15' },
    at: '12m',
    fires: [
      {
        labels: { phase: 'running' },
        summary: 'A run is past its running deadline by 12m 0s.',
        description:
          'A run should have been ended 12m 0s ago by its running deadline and still is not. The operator does not act on it, or its writes are refused.',
      },
    ],
  },
  {
    alert: 'ProwRunStuck',
    when: 'the deadline is enforced a little late',
    series: { 'prowjob_overdue_seconds{phase="running"}': '0 60 120 180 240 290 0x10' },
    at: '12m',
    fires: quiet,
  },
  {
    alert: 'ProwQueueWaitHigh',
    when: 'runs wait for more than half an hour, told one reason and then another',
    series: {
      'prowjob_longest_wait_seconds{reason="QueueFull"}': '1700+60x8 0x20',
      'prowjob_longest_wait_seconds{reason="MaxConcurrency"}': '0x8 2240+60x20',
      'prowjob_longest_wait_seconds{reason="New"}': '0x30',
    },
    at: '15m',
    fires: [
      {
        summary: 'A run has been waiting to start for 43m 20s.',
        description: 'The run that has waited longest was created 43m 20s ago and has not been allowed to start.',
      },
    ],
  },
  {
    alert: 'ProwQueueWaitHigh',
    when: 'a run waits for the first look at it',
    series: { 'prowjob_longest_wait_seconds{reason="New"}': '1800+60x20' },
    at: '12m',
    fires: [
      {
        summary: 'A run has been waiting to start for 42m 0s.',
        description: 'The run that has waited longest was created 42m 0s ago and has not been allowed to start.',
      },
    ],
  },
  {
    alert: 'ProwQueueWaitHigh',
    when: 'runs wait, but each for minutes only',
    series: { 'prowjob_longest_wait_seconds{reason="QueueFull"}': '0+60x10 0+60x10' },
    at: '20m',
    fires: quiet,
  },
  {
    alert: 'ProwQueueWaitHigh',
    when: 'somebody has paused a cluster, and another one is down',
    series: {
      'prowjob_longest_wait_seconds{reason="ClusterPaused"}': '9000+60x20',
      'prowjob_longest_wait_seconds{reason="ClusterUnavailable"}': '9000+60x20',
      'prowjob_longest_wait_seconds{reason="MaxConcurrency"}': '0x20',
    },
    at: '15m',
    fires: quiet,
  },
  {
    alert: 'ProwPodsUnschedulable',
    when: 'no node takes the pods',
    series: { 'prowjob_pods{phase="unschedulable"}': '0 2x10' },
    at: '5m',
    fires: [
      {
        summary: 'No node takes the pods of some runs.',
        description: 'For several minutes about 2 pods have found no node, or were given up with UnscheduledTimeout.',
      },
    ],
  },
  {
    alert: 'ProwPodsUnschedulable',
    when: 'they were given up, and tried again elsewhere or not',
    series: {
      'prowjob_pods{phase="unschedulable"}': '0x30',
      'prowjob_attempts_ended_total{cause="UnscheduledTimeout"}': '0x10 2x20',
    },
    at: '20m',
    fires: [
      {
        summary: 'No node takes the pods of some runs.',
        description: 'For several minutes about 2 pods have found no node, or were given up with UnscheduledTimeout.',
      },
    ],
  },
  {
    alert: 'ProwPodsUnschedulable',
    when: 'pods find a node at the second look, and other runs fail for reasons of their own',
    series: {
      'prowjob_pods{phase="unschedulable"}': '1 0 1 0 1 0',
      'prowjob_pods{phase="running"}': '5x5',
      'prowjob_attempts_ended_total{cause="UnscheduledTimeout"}': '7x5',
      'prowjob_attempts_ended_total{cause="TestFailed"}': '0+3x5',
    },
    at: '5m',
    fires: quiet,
  },
  {
    alert: 'ProwBuildClusterDown',
    when: 'a cluster cannot be used, seen by leader after leader',
    series: {
      'prow_build_cluster_up{job_namespace="ci",cluster="gpu",pod="a"}': '1 0x8 _x20',
      'prow_build_cluster_up{job_namespace="ci",cluster="gpu",pod="b"}': '_x8 0x20',
      'prow_build_cluster_up{job_namespace="ci",cluster="arm",pod="a"}': '1x30',
    },
    at: '14m',
    fires: [
      {
        labels: { job_namespace: 'ci', cluster: 'gpu' },
        summary: 'Build cluster gpu of namespace ci cannot be used.',
        description:
          'Build cluster gpu has been unavailable for 10 minutes. What waits for it does not start, and what is under way there is not followed; runs of other clusters go on.',
      },
    ],
  },
  {
    alert: 'ProwBuildClusterDown',
    when: 'a cluster was away for some minutes',
    series: { 'prow_build_cluster_up{job_namespace="ci",cluster="gpu"}': '1 0x8 1x20' },
    at: '12m',
    fires: quiet,
  },
  {
    alert: 'ProwBuildClusterDown',
    when: 'a paused cluster is taken down; one of the same name of another tenant is down as well',
    series: {
      'prow_build_cluster_up{job_namespace="ci",cluster="gpu"}': '0x30',
      'prow_build_cluster_paused{job_namespace="ci",cluster="gpu"}': '1x30',
      'prow_build_cluster_up{job_namespace="team",cluster="gpu"}': '0x30',
      'prow_build_cluster_paused{job_namespace="team",cluster="gpu"}': '0x30',
    },
    at: '12m',
    fires: [
      {
        labels: { job_namespace: 'team', cluster: 'gpu' },
        summary: 'Build cluster gpu of namespace team cannot be used.',
        description:
          'Build cluster gpu has been unavailable for 10 minutes. What waits for it does not start, and what is under way there is not followed; runs of other clusters go on.',
      },
    ],
  },
  {
    alert: 'ProwBuildClusterDown',
    when: 'its BuildCluster was removed, and a follower shows nothing',
    series: {
      'prow_build_cluster_up{job_namespace="ci",cluster="gpu"}': '0x8 stale',
      'prow_build_cluster_up{job_namespace="ci",cluster="arm",pod="a"}': '1x30',
    },
    at: '15m',
    fires: quiet,
  },
  {
    alert: 'ProwPodsRefused',
    when: 'pods are refused again and again',
    series: { 'prowjob_pod_create_failures_total{kind="transient"}': '0+1x30' },
    at: '20m',
    fires: [
      {
        labels: { kind: 'transient' },
        summary: 'The API server refuses pods of runs (transient).',
        description:
          'About 15 pods could not be created within 15 minutes. Quota, admission policies and permissions are the usual causes.',
      },
    ],
  },
  {
    alert: 'ProwPodsRefused',
    when: 'one pod was refused',
    series: { 'prowjob_pod_create_failures_total{kind="permanent"}': '0x5 1x25' },
    at: '20m',
    fires: quiet,
  },
  {
    alert: 'ProwGCBacklog',
    when: 'finished runs pile up',
    series: { 'cleanup_overdue_objects{object="runs"}': '0+50x30', 'cleanup_overdue_objects{object="pods"}': '0x30' },
    at: '25m',
    fires: [
      {
        labels: { object: 'runs' },
        summary: '1250 runs should have been deleted and still exist.',
        description: 'Cleanup does not keep up, or its deletions are refused. 1250 runs are due for more than five minutes.',
      },
    ],
  },
  {
    alert: 'ProwGCBacklog',
    when: 'a wave is worked off',
    series: { 'cleanup_overdue_objects{object="runs"}': '0 500 400 300 200 90 0x20' },
    at: '20m',
    fires: quiet,
  },
  {
    alert: 'ProwArchiveBacklog',
    when: 'a store does not take results',
    series: { archive_backlog_oldest_seconds: '0+60x60' },
    at: '50m',
    fires: [
      {
        labels: {},
        summary: 'Results of runs are not getting into the archive.',
        description:
          'A run that ended 50m 0s ago has no log and results in the archive yet. Cleanup keeps such runs and their pods, and lets go of them after archive.holdCleanup.',
      },
    ],
  },
  {
    alert: 'ProwArchiveBacklog',
    when: 'a store was away for half an hour',
    series: { archive_backlog_oldest_seconds: '0+60x35 0x30' },
    at: '50m',
    fires: quiet,
  },
  {
    alert: 'ProwArchiveLost',
    when: 'results are given up',
    series: { 'archive_uploads_total{result="given_up"}': '0x10 3x30', 'archive_uploads_total{result="failed"}': '0+5x40' },
    at: '11m',
    fires: [
      {
        summary: 'Results of runs will never be in the archive.',
        description: 'Within 30 minutes the operator has given up the logs and results of about 3 runs. Cleanup no longer keeps them.',
      },
    ],
  },
  {
    alert: 'ProwArchiveLost',
    when: 'uploads fail and are tried again, and what was given up was long ago',
    series: { 'archive_uploads_total{result="given_up"}': '0 4x60', 'archive_uploads_total{result="failed"}': '0+5x60' },
    at: '50m',
    fires: quiet,
  },
  {
    alert: 'ProwObjectCountHigh',
    when: 'a cache comes near what is supported',
    series: { 'reflector_objects{name="prowjobs"}': '130000x20', 'reflector_objects{name="periodics"}': '500x20' },
    at: '16m',
    fires: [
      {
        labels: { name: 'prowjobs' },
        summary: '130k objects in the cache prowjobs.',
        description:
          'The cache prowjobs holds 130k objects, more than 80 % of what is supported. Memory and the time to start grow with it.',
      },
    ],
  },
  {
    alert: 'ProwObjectCountHigh',
    when: 'a cache is large',
    series: { 'reflector_objects{name="prowjobs"}': '110000x20' },
    at: '16m',
    fires: quiet,
  },
];
