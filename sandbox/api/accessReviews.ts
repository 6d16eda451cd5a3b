/** Reviews of access and tokens. The sandbox has one user who may do everything, so every question is answered yes. */
import { asObject } from './json.ts';
import { apiVersionOf } from '../../operator/kube/resource.ts';
import type { ResourceInfo } from './resourceInfo.ts';

const user = { username: 'sandbox-admin', groups: ['system:masters', 'system:authenticated'] };

const answers = new Map<string, unknown>([
  ['SelfSubjectAccessReview', { allowed: true, reason: 'the sandbox allows everything' }],
  ['SubjectAccessReview', { allowed: true, reason: 'the sandbox allows everything' }],
  ['LocalSubjectAccessReview', { allowed: true, reason: 'the sandbox allows everything' }],
  [
    'SelfSubjectRulesReview',
    {
      resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
      nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
      incomplete: false,
    },
  ],
  ['SelfSubjectReview', { userInfo: user }],
  ['TokenReview', { authenticated: true, user }],
]);

/** The answered review, or undefined when the resource is no review. */
export function accessReviewAnswer(info: ResourceInfo, body: unknown): unknown {
  const status = answers.get(info.kind);
  return status === undefined
    ? undefined
    : { metadata: {}, spec: {}, ...asObject(body), kind: info.kind, apiVersion: apiVersionOf(info), status };
}
