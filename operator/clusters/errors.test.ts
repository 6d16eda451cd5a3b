import { describe, expect, it } from 'vitest';
import { TransportError } from '../kube/errors.ts';
import type { HttpRequest } from '../kube/transport.ts';
import { failureOfAnswer, failureOfError, refuseNonsense } from './errors.ts';

describe('failureOfAnswer', () => {
  const pods = '/api/v1/namespaces/ci/pods';
  interface Row {
    readonly method: HttpRequest['method'];
    readonly path: string;
    readonly status: number;
    /** Absent: the cluster is well. */
    readonly problem?: string;
    readonly why: string;
  }
  const rows: readonly Row[] = [
    { method: 'GET', path: pods, status: 200, why: 'it works' },
    { method: 'GET', path: `${pods}/a`, status: 404, why: 'the pod is not there' },
    { method: 'POST', path: pods, status: 401, problem: 'Unauthorized', why: 'credentials are refused' },
    { method: 'GET', path: `${pods}?watch=true`, status: 403, problem: 'Forbidden', why: 'pods cannot be seen' },
    { method: 'GET', path: '/api/v1/pods?limit=1', status: 403, problem: 'Forbidden', why: 'pods cannot be seen anywhere' },
    { method: 'POST', path: pods, status: 403, why: 'it may be a quota or a policy' },
    { method: 'GET', path: `${pods}/a/log?container=test`, status: 403, why: 'logs are not needed' },
    { method: 'GET', path: '/apis/events.k8s.io/v1/namespaces/ci/events', status: 403, why: 'Events are not needed' },
    { method: 'POST', path: pods, status: 429, why: 'it is busy, not ill' },
    { method: 'POST', path: pods, status: 500, why: 'it may be one webhook' },
    { method: 'GET', path: pods, status: 500, problem: 'ServerError', why: 'it cannot even read' },
    { method: 'POST', path: pods, status: 503, problem: 'ServerError', why: 'nobody is behind the load balancer' },
  ];

  it.each(rows)('$method $path with $status: $why', ({ method, path, status, problem }) => {
    expect(failureOfAnswer({ method, path }, status)?.problem).toBe(problem);
  });
});

describe('failureOfError', () => {
  it.each([
    {
      error: new TransportError('connect', `GET /api/v1/pods: connect ECONNREFUSED`),
      want: { problem: 'Unreachable', detail: 'connect ECONNREFUSED' },
    },
    {
      error: new TransportError(
        'connect',
        'GET /x: 40DD8F55557F0000:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:../deps/ssl.c:77:\n',
      ),
      want: { problem: 'Unreachable', detail: 'what answers there does not speak TLS' },
    },
    {
      error: new TransportError('connect', 'GET /x: 40DD8F55557F0000:error:0A000410:SSL routines:ssl3_read:handshake failure:../a.c:1:\n'),
      want: { problem: 'Unreachable', detail: 'TLS: handshake failure' },
    },
    { error: new TransportError('reset', 'POST /x: other side closed'), want: { problem: 'Unreachable', detail: 'other side closed' } },
    { error: new TransportError('timeout', 'GET /x: no answer'), want: { problem: 'TimedOut' } },
    { error: new TransportError('malformed', 'GET /x: not JSON'), want: { problem: 'Malformed' } },
  ])('reads $error.code, and leaves the request out of the words', ({ error, want }) => {
    expect(failureOfError(error)).toMatchObject(want);
  });

  it('learns nothing from what is our own doing', () => {
    expect(failureOfError(new TransportError('closed', 'we closed it'))).toBeUndefined();
    expect(failureOfError(new Error('not the leader'))).toBeUndefined();
  });
});

describe('refuseNonsense', () => {
  const big = 'x'.repeat(300_000);
  const read = (path: string, body: string, status = 200): void => refuseNonsense({ method: 'GET', path }, { status, headers: {}, body });

  it.each(['', 'null', '[]', '{}', '<html>', '{"hello":1}', '{"kind":7}', `<html>${big}`])('refuses %.20s', (body) => {
    expect(() => read('/api/v1/pods', body)).toThrow(expect.objectContaining({ code: 'malformed' }));
  });

  it.each([
    { path: '/api/v1/pods', body: '{"kind":"PodList"}', status: 200 },
    { path: '/api/v1/pods', body: `{"kind":"PodList","x":"${big}"}\n`, status: 200 },
    { path: '/api/v1/pods', body: '<html>', status: 502 },
    { path: '/version', body: '{"major":"1"}', status: 200 },
    { path: '/api/v1/namespaces/ci/pods/a/log', body: 'any text', status: 200 },
  ])('takes $path with $status', ({ path, body, status }) => {
    expect(() => read(path, body, status)).not.toThrow();
  });
});
