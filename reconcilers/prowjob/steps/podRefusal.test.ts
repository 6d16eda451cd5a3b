/** Every answer to the creation of a pod: whose fault it is, and what the user reads. */
import { describe, expect, it } from 'vitest';
import { ClusterUnavailableError } from '../../../operator/clusters/errors.ts';
import { ApiError, TransportError } from '../../../operator/kube/errors.ts';
import type { ApiStatus } from '../../../operator/kube/objects.ts';
import { refusalOf, type Refusal } from './podRefusal.ts';

interface Row {
  readonly name: string;
  readonly error: unknown;
  /** permanent, none, or the reason why the run waits. */
  readonly want: 'permanent' | 'none' | Extract<Refusal, { kind: 'passing' }>['reason'];
}

const answer = (code: number, reason: string, message: string, details?: ApiStatus['details']): ApiError =>
  new ApiError('POST pods', { status: 'Failure', code, reason, message, ...(details === undefined ? {} : { details }) }, code);

const forbidden = (message: string): ApiError => answer(403, 'Forbidden', `pods "run" is forbidden: ${message}`);

const rows: readonly Row[] = [
  { name: '400', error: answer(400, 'BadRequest', 'the body is no pod'), want: 'permanent' },
  { name: '413', error: answer(413, 'RequestEntityTooLarge', 'limit is 3145728'), want: 'permanent' },
  { name: 'P7 422', error: answer(422, 'Invalid', 'Pod "run" is invalid: spec.containers[0].image: Required value'), want: 'permanent' },
  { name: 'P8 403 by Pod Security', error: forbidden('violates PodSecurity "restricted:latest"'), want: 'permanent' },
  { name: '403 by a LimitRange', error: forbidden('maximum memory usage per Container is 1Gi, but limit is 2Gi'), want: 'permanent' },
  { name: '403 by a quota that wants limits to be named', error: forbidden('failed quota: q: must specify limits.cpu'), want: 'permanent' },
  { name: '403 by a webhook', error: answer(403, 'Forbidden', 'admission webhook "p.example" denied the request: no'), want: 'permanent' },
  { name: '400 by a webhook', error: answer(400, '', 'admission webhook "p.example" denied the request: no'), want: 'permanent' },
  {
    name: '422 by a policy',
    error: answer(422, 'Invalid', "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"),
    want: 'permanent',
  },
  {
    name: '403 by a service account of the job',
    error: forbidden('error looking up service account ci/mine: serviceaccount "mine" not found'),
    want: 'permanent',
  },
  {
    name: '403 by a missing default account',
    error: forbidden('error looking up service account ci/default: serviceaccount "default" not found'),
    want: 'PodRefused',
  },
  {
    name: '403 by quota',
    error: forbidden('exceeded quota: tiny, requested: pods=1, used: pods=2, limited: pods=2'),
    want: 'QuotaExceeded',
  },
  { name: '403 by a quota nobody counted yet', error: forbidden('status unknown for quota: tiny, resources: pods'), want: 'QuotaExceeded' },
  {
    name: '403 by RBAC',
    error: answer(403, 'Forbidden', 'pods is forbidden: User "u" cannot create resource "pods" in API group "" in the namespace "ci"'),
    want: 'PodRefused',
  },
  {
    name: '403 by a namespace that goes, by cause',
    error: answer(403, 'Forbidden', 'unable to create new content', {
      causes: [{ reason: 'NamespaceTerminating', message: 'x' }],
    }),
    want: 'PodRefused',
  },
  {
    name: 'the same by words',
    error: forbidden('unable to create new content in namespace ci because it is being terminated'),
    want: 'PodRefused',
  },
  { name: '401', error: answer(401, 'Unauthorized', 'Unauthorized'), want: 'ClusterUnavailable' },
  { name: '404 of the namespace', error: answer(404, 'NotFound', 'namespaces "ci" not found'), want: 'PodRefused' },
  { name: '410, which is about versions', error: answer(410, 'Expired', 'too old resource version'), want: 'PodRefused' },
  { name: '408', error: answer(408, 'Timeout', 'try again'), want: 'ClusterUnavailable' },
  {
    name: 'P9 409 of a quota',
    error: answer(409, 'Conflict', 'Operation cannot be fulfilled on resourcequotas "tiny"'),
    want: 'PodRefused',
  },
  { name: '429', error: answer(429, 'TooManyRequests', 'slow down'), want: 'ClusterUnavailable' },
  {
    name: '500',
    error: answer(500, 'InternalError', 'failed calling webhook "p.example": connection refused'),
    want: 'ClusterUnavailable',
  },
  { name: '503', error: answer(503, 'ServiceUnavailable', 'apiserver not ready'), want: 'ClusterUnavailable' },
  { name: '504', error: answer(504, 'Timeout', 'request did not complete'), want: 'ClusterUnavailable' },
  { name: 'a redirection, as of a proxy in front', error: answer(302, '', 'found'), want: 'ClusterUnavailable' },
  { name: 'P10 no answer', error: new TransportError('timeout', 'POST pods: nothing came in 10 s'), want: 'ClusterUnavailable' },
  { name: 'a defect of ours', error: new TypeError('x is undefined'), want: 'none' },
];

describe('refusalOf', () => {
  it.each(rows)('$name: $want', ({ error, want }) => {
    const refusal = refusalOf(error);
    expect(refusal.kind === 'passing' ? refusal.reason : refusal.kind).toBe(want);
    if (refusal.kind !== 'none') expect(refusal.message).not.toBe('');
  });

  it('a breaker that is open is the cluster that is away', () => {
    expect(refusalOf(new ClusterUnavailableError('gpu is away', 5000))).toMatchObject({ kind: 'passing', reason: 'ClusterUnavailable' });
  });
});
