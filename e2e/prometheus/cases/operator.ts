/** The alerts of operator.yaml. */
import { quiet, type AlertCase } from '../alertCase.ts';

export const operatorCases: readonly AlertCase[] = [
  {
    alert: 'ProwOperatorDown',
    when: 'the only replica cannot be scraped',
    series: { up: '1 0x10' },
    at: '7m',
    fires: [
      {
        summary: 'No replica of the operator can be scraped.',
        description: 'Prometheus has reached no replica of the operator for 5 minutes. Nothing starts, and no deadline is kept.',
      },
    ],
  },
  {
    alert: 'ProwOperatorDown',
    when: 'nothing of it is known any more',
    series: { up: '1 stale' },
    at: '7m',
    fires: [
      {
        labels: { namespace: '' },
        summary: 'No replica of the operator can be scraped.',
        description: 'Prometheus has reached no replica of the operator for 5 minutes. Nothing starts, and no deadline is kept.',
      },
    ],
  },
  {
    alert: 'ProwOperatorDown',
    when: 'one of two replicas is up',
    series: { up: '0x10', 'up{pod="prow-1"}': '1x10' },
    at: '7m',
    fires: quiet,
  },
  {
    alert: 'ProwNoLeader',
    when: 'nobody holds the lease',
    series: {
      'leader_election_master_status{name="prow-operator"}': '1 0x10',
      'leader_election_master_status{name="prow-operator",pod="prow-1"}': '0x11',
    },
    at: '4m',
    fires: [
      {
        labels: { name: 'prow-operator' },
        summary: 'No replica of the operator leads.',
        description:
          'Replicas are up, but none of them has held the lease prow-operator for 2 minutes. Nothing starts, and no deadline is kept.',
      },
    ],
  },
  {
    alert: 'ProwNoLeader',
    when: 'nobody leads one of two shards',
    series: {
      'leader_election_master_status{name="prow-operator-shard-0"}': '1x11',
      'leader_election_master_status{name="prow-operator-shard-1"}': '0x11',
      'leader_election_master_status{name="prow-operator-shard-0",pod="prow-1"}': '0x11',
      'leader_election_master_status{name="prow-operator-shard-1",pod="prow-1"}': '1 0x10',
    },
    at: '4m',
    fires: [
      {
        labels: { name: 'prow-operator-shard-1' },
        summary: 'No replica of the operator leads.',
        description:
          'Replicas are up, but none of them has held the lease prow-operator-shard-1 for 2 minutes. Nothing starts, and no deadline is kept.',
      },
    ],
  },
  {
    alert: 'ProwNoLeader',
    when: 'the other replica takes over',
    series: {
      'leader_election_master_status{name="prow-operator"}': '1 0x10',
      'leader_election_master_status{name="prow-operator",pod="prow-1"}': '0 0 1x10',
    },
    at: '4m',
    fires: quiet,
  },
  {
    alert: 'ProwLeaderFlapping',
    when: 'the lease goes to new processes again and again',
    series: {
      'leader_election_lease_transitions{name="prow-operator"}': '7x10 stale',
      'leader_election_lease_transitions{name="prow-operator",pod="prow-1"}': '_x11 12x20',
    },
    at: '20m',
    fires: [
      {
        labels: { name: 'prow-operator' },
        summary: 'The lease prow-operator has changed hands 5 times within an hour.',
        description: 'The leader changes too often. Replicas crash, are killed, or cannot renew their lease in time.',
      },
    ],
  },
  {
    alert: 'ProwLeaderFlapping',
    when: 'a rolling update, and later the lease is made anew',
    series: { 'leader_election_lease_transitions{name="prow-operator"}': '7x10 8 9x10 0x20' },
    at: '40m',
    fires: quiet,
  },
  {
    alert: 'ProwWatchStale',
    when: 'a watch has gone silent',
    series: {
      'reflector_seconds_since_contact{name="pods created-by-prow=true"}': '0+60x10',
      'reflector_seconds_since_contact{name="prowjobs"}': '5x10',
    },
    at: '6m',
    fires: [
      {
        labels: { container: 'operator', instance: '10.0.0.1:8080', name: 'pods created-by-prow=true', pod: 'prow-0' },
        summary: 'The cache pods created-by-prow=true has heard nothing for 6m 0s.',
        description:
          'Neither an event nor a bookmark has come for pods created-by-prow=true in 6m 0s. The operator may be working with an old picture of the cluster.',
      },
    ],
  },
  {
    alert: 'ProwWatchStale',
    when: 'bookmarks come once a minute, and one is lost',
    series: { 'reflector_seconds_since_contact{name="prowjobs"}': '55 50 45 105 40 35 30' },
    at: '6m',
    fires: quiet,
  },
  {
    alert: 'ProwReconcileErrors',
    when: 'a fifth of the passes fail',
    series: {
      'controller_runtime_reconcile_total{controller="prowjob",result="error"}': '0+2x40',
      'controller_runtime_reconcile_total{controller="prowjob",result="success"}': '0+8x40',
    },
    at: '35m',
    fires: [
      {
        labels: { controller: 'prowjob' },
        summary: '20% of the passes of prowjob fail.',
        description: 'For 15 minutes more than a tenth of the passes of the controller prowjob have ended with an error and are repeated.',
      },
    ],
  },
  {
    alert: 'ProwReconcileErrors',
    when: 'a conflict now and then, and a controller that has nothing to do',
    series: {
      'controller_runtime_reconcile_total{controller="prowjob",result="error"}': '0+1x40',
      'controller_runtime_reconcile_total{controller="prowjob",result="success"}': '0+30x40',
      'controller_runtime_reconcile_total{controller="pluginconfig",result="error"}': '0x40',
      'controller_runtime_reconcile_total{controller="pluginconfig",result="success"}': '0x40',
    },
    at: '35m',
    fires: quiet,
  },
  {
    alert: 'ProwReconcilePanic',
    when: 'a pass throws something unforeseen',
    series: { 'controller_runtime_reconcile_panics_total{controller="periodic"}': '0x5 1x5' },
    at: '8m',
    fires: [
      {
        labels: { controller: 'periodic' },
        summary: 'The controller periodic met an error that nobody foresaw.',
        description:
          'A pass of the controller periodic threw something unexpected. That is a defect of the operator; its log has the stack.',
      },
    ],
  },
  {
    alert: 'ProwReconcilePanic',
    when: 'passes fail in ways that were foreseen',
    series: {
      'controller_runtime_reconcile_panics_total{controller="periodic"}': '0x10',
      'controller_runtime_reconcile_errors_total{controller="periodic"}': '0+1x10',
    },
    at: '8m',
    fires: quiet,
  },
  {
    alert: 'ProwReconcileStuck',
    when: 'a pass does not end',
    series: { 'controller_runtime_stuck_passes{controller="prowjob"}': '0 1x15' },
    at: '12m',
    fires: [
      {
        labels: { controller: 'prowjob' },
        summary: 'Passes of prowjob do not end (1).',
        description:
          'Passes of the controller prowjob go on although they were told to stop. The objects they work on are blocked until they end.',
      },
    ],
  },
  {
    alert: 'ProwReconcileStuck',
    when: 'a pass ends late',
    series: { 'controller_runtime_stuck_passes{controller="prowjob"}': '0 1x5 0x10' },
    at: '12m',
    fires: quiet,
  },
  {
    alert: 'ProwApiErrors',
    when: 'the API server answers with 503 or not at all',
    series: {
      'rest_client_requests_total{code="200",method="GET"}': '0+60x30',
      'rest_client_requests_total{code="503",method="GET"}': '0+20x30',
      'rest_client_requests_total{code="<error>",method="PATCH"}': '0+20x30',
    },
    at: '25m',
    fires: [
      {
        summary: '40% of the requests to API servers fail.',
        description: "For 10 minutes more than a tenth of the operator's requests have been answered with 5xx or 429, or not at all.",
      },
    ],
  },
  {
    alert: 'ProwApiErrors',
    when: 'conflicts and missing objects are answers like any other',
    series: {
      'rest_client_requests_total{code="200",method="GET"}': '0+60x30',
      'rest_client_requests_total{code="409",method="PATCH"}': '0+20x30',
      'rest_client_requests_total{code="404",method="GET"}': '0+20x30',
    },
    at: '25m',
    fires: quiet,
  },
  {
    alert: 'ProwEventLoopLag',
    when: 'the loop is late for minutes',
    series: { nodejs_eventloop_lag_p99_seconds: '0.02 0.4x10' },
    at: '8m',
    fires: [
      {
        labels: { container: 'operator', instance: '10.0.0.1:8080', pod: 'prow-0' },
        summary: "The operator's event loop lags by 400ms.",
        description:
          'One in a hundred turns of the event loop of 10.0.0.1:8080 has been late by 400ms. Timers and renewals are late by as much.',
      },
    ],
  },
  {
    alert: 'ProwEventLoopLag',
    when: 'one slow minute',
    series: { nodejs_eventloop_lag_p99_seconds: '0.02 0.4 0.02x10' },
    at: '8m',
    fires: quiet,
  },
  {
    alert: 'ProwHeapNearLimit',
    when: 'nearly all of the heap is used',
    series: { nodejs_heap_size_used_bytes: '900x20', nodejs_heap_size_limit_bytes: '1000x20' },
    at: '12m',
    fires: [
      {
        labels: { container: 'operator', instance: '10.0.0.1:8080', pod: 'prow-0' },
        summary: 'The operator uses 90% of its heap.',
        description: '10.0.0.1:8080 uses 90% of the memory that Node lets it have. At 100 % the process ends.',
      },
    ],
  },
  {
    alert: 'ProwHeapNearLimit',
    when: 'the collector comes in time',
    series: { nodejs_heap_size_used_bytes: '900x5 300x15', nodejs_heap_size_limit_bytes: '1000x20' },
    at: '12m',
    fires: quiet,
  },
  {
    alert: 'ProwSettingsInvalid',
    when: 'the file is refused',
    series: { prow_operator_settings_last_reload_successful: '1 0x10' },
    at: '8m',
    fires: [
      {
        summary: "The operator's settings file has a fault.",
        description: 'The settings file that is there now was refused. The last good settings stay in force; a restart would fail.',
      },
    ],
  },
  {
    alert: 'ProwSettingsInvalid',
    when: 'the fault is corrected',
    series: { prow_operator_settings_last_reload_successful: '1 0x3 1x10' },
    at: '8m',
    fires: quiet,
  },
];
