import { X509Certificate, createPrivateKey, createPublicKey } from 'node:crypto';
import { expect, test } from 'vitest';
import { createPki } from './pki.ts';

const pki = await createPki({ nodeName: 'node-1', gateway: '10.9.0.1', serviceIp: '10.8.0.1' });
const authority = new X509Certificate(pki.caPem);

test.each(
  Object.entries({
    'the API server': pki.apiServer,
    'the kubelet': pki.kubelet,
    'the API server as a client': pki.kubeletClient,
    ...pki.clients,
  }),
)('the certificate of %s is signed by the authority and fits its key', (_name, { certPem, keyPem }) => {
  const certificate = new X509Certificate(certPem);
  expect(certificate.verify(authority.publicKey)).toBe(true);
  expect(certificate.ca).toBe(false);
  expect(certificate.checkPrivateKey(createPrivateKey(keyPem))).toBe(true);
});

test.each([
  ['kubelet', 'O=system:nodes\nCN=system:node:node-1'],
  ['kube-proxy', 'CN=system:kube-proxy'],
  ['kube-scheduler', 'CN=system:kube-scheduler'],
  ['kube-controller-manager', 'CN=system:kube-controller-manager'],
] as const)('%s is who RBAC knows it as', (name, subject) => {
  expect(new X509Certificate(pki.clients[name].certPem).subject).toBe(subject);
});

test('the API server may be reached by its addresses and by the name of its Service', () => {
  const certificate = new X509Certificate(pki.apiServer.certPem);
  expect(['10.9.0.1', '10.8.0.1', '127.0.0.1'].map((ip) => certificate.checkIP(ip))).not.toContain(undefined);
  expect(certificate.checkHost('kubernetes.default.svc')).toBe('kubernetes.default.svc');
  expect(certificate.checkHost('node-1')).toBeUndefined();
  expect(new X509Certificate(pki.kubelet.certPem).checkIP('10.9.0.1')).toBe('10.9.0.1');
});

test('service account tokens are signed with a key of their own, and the administrator has a long token', () => {
  const publicPem = createPublicKey(pki.serviceAccountKeyPem).export({ type: 'spki', format: 'pem' }).toString();
  expect(publicPem).toBe(pki.serviceAccountPublicPem);
  expect(pki.adminToken).toMatch(/^[0-9a-f]{64}$/);
});
