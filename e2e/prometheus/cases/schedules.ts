/** The alerts of schedules.yaml. */
import { quiet, type AlertCase } from '../alertCase.ts';

export const scheduleCases: readonly AlertCase[] = [
  {
    alert: 'ProwScheduleLate',
    when: 'a slot stays due for minutes',
    series: { prow_periodic_overdue_seconds: '0 60 120 180 240 300' },
    at: '5m',
    fires: [
      {
        summary: 'A slot of a schedule has been waiting for 5m 0s.',
        description: 'At least one Periodic has a slot that came due 5m 0s ago and has neither started a run nor been skipped.',
      },
    ],
  },
  {
    alert: 'ProwScheduleLate',
    when: 'a slot is late for a moment only',
    series: { prow_periodic_overdue_seconds: '0 90 0 0 90 0' },
    at: '5m',
    fires: quiet,
  },
  {
    alert: 'ProwScheduleMissed',
    when: 'a slot is missed',
    series: { 'prow_periodic_slots_missed_total{reason="StartingDeadline"}': '0x20 2x5' },
    at: '23m',
    fires: [
      {
        labels: { reason: 'StartingDeadline' },
        summary: 'Slots of schedules were missed (StartingDeadline).',
        description: 'About 2 slots that should have started a run within the last 15 minutes never will, because of StartingDeadline.',
      },
    ],
  },
  {
    alert: 'ProwScheduleMissed',
    when: 'a new process has counted misses before its first scrape',
    series: { 'prow_periodic_slots_missed_total{reason="Superseded"}': '_x10 3x10', process_start_time_seconds: '_x10 590x10' },
    at: '12m',
    fires: [
      {
        labels: { reason: 'Superseded' },
        summary: 'Slots of schedules were missed (Superseded).',
        description: 'About 3 slots that should have started a run within the last 15 minutes never will, because of Superseded.',
      },
    ],
  },
  {
    alert: 'ProwScheduleMissed',
    when: 'Prometheus begins to look at a process that missed slots long ago',
    series: { 'prow_periodic_slots_missed_total{reason="Superseded"}': '_x40 3x10', process_start_time_seconds: '_x40 0x10' },
    at: '45m',
    fires: quiet,
  },
  {
    alert: 'ProwScheduleMissed',
    when: 'the miss was long ago',
    series: { 'prow_periodic_slots_missed_total{reason="StartingDeadline"}': '0 1x40' },
    at: '40m',
    fires: quiet,
  },
  {
    alert: 'ProwPeriodicFailing',
    when: 'three runs fail in a row',
    series: { 'prow_periodic_consecutive_failures{periodic_namespace="ci",periodic="nightly"}': '2 3' },
    at: '1m',
    fires: [
      {
        labels: { periodic: 'nightly', periodic_namespace: 'ci' },
        summary: 'Periodic ci/nightly keeps failing.',
        description: 'The last 3 runs of Periodic ci/nightly failed, one after another.',
      },
    ],
  },
  {
    alert: 'ProwPeriodicFailing',
    when: 'two runs failed and then one succeeded',
    series: { 'prow_periodic_consecutive_failures{periodic_namespace="ci",periodic="nightly"}': '1 2 stale' },
    at: '3m',
    fires: quiet,
  },
  {
    alert: 'ProwPeriodicFailing',
    when: 'the failures have stopped it; one of the same name elsewhere goes on failing, under two leaders',
    series: {
      'prow_periodic_consecutive_failures{periodic_namespace="ci",periodic="nightly"}': '3x5',
      'prow_periodic_stopped{periodic_namespace="ci",periodic="nightly"}': '3x5',
      'prow_periodic_consecutive_failures{periodic_namespace="team",periodic="nightly",pod="a"}': '4 4 stale',
      'prow_periodic_consecutive_failures{periodic_namespace="team",periodic="nightly",pod="b"}': '_ 4x4',
    },
    at: '3m',
    fires: [
      {
        labels: { periodic: 'nightly', periodic_namespace: 'team' },
        summary: 'Periodic team/nightly keeps failing.',
        description: 'The last 4 runs of Periodic team/nightly failed, one after another.',
      },
    ],
  },
  {
    alert: 'ProwPeriodicStopped',
    when: 'one failure was enough for it',
    series: { 'prow_periodic_stopped{periodic_namespace="ci",periodic="nightly"}': '_ 1x5' },
    at: '1m',
    fires: [
      {
        labels: { periodic: 'nightly', periodic_namespace: 'ci' },
        summary: 'Periodic ci/nightly has stopped.',
        description:
          'Periodic ci/nightly starts nothing any more: its last failures in a row number 1, as many as spec.stopAfter allows. A run that succeeds or an edit of its spec sets it going again.',
      },
    ],
  },
  {
    alert: 'ProwPeriodicStopped',
    when: 'a run by hand has succeeded, and another one is suspended',
    series: {
      'prow_periodic_stopped{periodic_namespace="ci",periodic="nightly"}': '3 3 stale',
      'prow_periodics{state="suspended"}': '1x5',
    },
    at: '3m',
    fires: quiet,
  },
  {
    alert: 'ProwPeriodicSilent',
    when: 'it has stopped',
    series: {
      'prow_periodic_slots_without_success{periodic_namespace="ci",periodic="nightly"}': '9x30',
      'prow_periodic_stopped{periodic_namespace="ci",periodic="nightly"}': '3x30',
    },
    at: '28m',
    fires: quiet,
  },
  {
    alert: 'ProwPeriodicSilent',
    when: 'five slots pass without a success',
    series: { 'prow_periodic_slots_without_success{periodic_namespace="ci",periodic="nightly"}': '4x10 5x20' },
    at: '28m',
    fires: [
      {
        labels: { periodic: 'nightly', periodic_namespace: 'ci' },
        summary: 'Periodic ci/nightly has had no success for 5 slots.',
        description: '5 slots of Periodic ci/nightly have passed since a run of it last succeeded, although it is not suspended.',
      },
    ],
  },
  {
    alert: 'ProwPeriodicSilent',
    when: 'the fifth slot succeeds late',
    series: { 'prow_periodic_slots_without_success{periodic_namespace="ci",periodic="nightly"}': '4x10 5x10 stale' },
    at: '28m',
    fires: quiet,
  },
  {
    alert: 'ProwConfigInvalid',
    when: 'objects of one kind stay stalled, for whatever reasons',
    series: {
      'operator_stalled_objects{kind="Periodic",object_namespace="ci",reason="InvalidSchedule"}': '1x20',
      'operator_stalled_objects{kind="Periodic",object_namespace="ci",reason="InvalidTemplate"}': '2x20',
    },
    at: '16m',
    fires: [
      {
        labels: { kind: 'Periodic', object_namespace: 'ci' },
        summary: 'Periodic objects in ci do not take effect (3).',
        description:
          'Objects of kind Periodic in namespace ci have had the condition Stalled for 15 minutes. They wait for a person to correct them.',
      },
    ],
  },
  {
    alert: 'ProwConfigInvalid',
    when: 'a cluster that is only unreachable is not stalled, and one without its Secret is',
    series: {
      'prow_build_cluster_up{job_namespace="ci",cluster="gpu"}': '0x20',
      'operator_stalled_objects{kind="BuildCluster",object_namespace="team",reason="SecretMissing"}': '1x20',
    },
    at: '16m',
    fires: [
      {
        labels: { kind: 'BuildCluster', object_namespace: 'team' },
        summary: 'BuildCluster objects in team do not take effect (1).',
        description:
          'Objects of kind BuildCluster in namespace team have had the condition Stalled for 15 minutes. They wait for a person to correct them.',
      },
    ],
  },
  {
    alert: 'ProwConfigInvalid',
    when: 'it is corrected within minutes',
    series: { 'operator_stalled_objects{kind="PluginConfig",object_namespace="ci",reason="Conflict"}': '1x10 stale' },
    at: '16m',
    fires: quiet,
  },
];
