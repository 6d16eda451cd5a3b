/**
 * The cluster's certificates: one authority, server certificates for the API server and the kubelet, and a client certificate for each
 * identity that RBAC and the Node authoriser know. Made anew at each start, gone with the state directory.
 */
import '../../sandbox/reflectMetadata.ts';
import { generateKeyPairSync, randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

export interface KeyPair {
  readonly certPem: string;
  readonly keyPem: string;
}

export interface Pki {
  readonly caPem: string;
  readonly apiServer: KeyPair;
  readonly kubelet: KeyPair;
  /** The API server when it calls the kubelet. */
  readonly kubeletClient: KeyPair;
  readonly clients: Readonly<Record<ClientName, KeyPair>>;
  /** The administrator's. Not a certificate: a client with one is somebody even when it sends a wrong token, and that is worth testing. */
  readonly adminToken: string;
  /** Signs service account tokens. */
  readonly serviceAccountKeyPem: string;
  readonly serviceAccountPublicPem: string;
}

export type ClientName = 'kubelet' | 'kube-controller-manager' | 'kube-scheduler' | 'kube-proxy';

export interface PkiOptions {
  readonly nodeName: string;
  readonly gateway: string;
  readonly serviceIp: string;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const dayMs = 86_400_000;

interface Leaf {
  readonly subject: string;
  readonly usage: 'serverAuth' | 'clientAuth';
  readonly names?: readonly { readonly type: 'dns' | 'ip'; readonly value: string }[];
}

/** Creates everything, valid from a day before nowMs for a year. */
export async function createPki({ nodeName, gateway, serviceIp }: PkiOptions, nowMs: number = Date.now()): Promise<Pki> {
  const authority = await createAuthority(nowMs);
  const leaf = (wanted: Leaf): Promise<KeyPair> => sign(authority, wanted, nowMs);
  const client = (commonName: string, group?: string): Promise<KeyPair> =>
    leaf({ subject: group === undefined ? `CN=${commonName}` : `O=${group}, CN=${commonName}`, usage: 'clientAuth' });
  const dns = (value: string) => ({ type: 'dns', value }) as const;
  const ip = (value: string) => ({ type: 'ip', value }) as const;
  const serviceNames = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local'];
  const tokens = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    caPem: pem(authority.certificate),
    apiServer: await leaf({
      subject: 'CN=kube-apiserver',
      usage: 'serverAuth',
      names: [...serviceNames, 'localhost'].map(dns).concat([gateway, serviceIp, '127.0.0.1'].map(ip) as never),
    }),
    kubelet: await leaf({
      subject: `O=system:nodes, CN=system:node:${nodeName}`,
      usage: 'serverAuth',
      names: [dns(nodeName), ip(gateway)],
    }),
    kubeletClient: await client('kube-apiserver-kubelet-client', 'system:masters'),
    clients: {
      kubelet: await client(`system:node:${nodeName}`, 'system:nodes'),
      'kube-controller-manager': await client('system:kube-controller-manager'),
      'kube-scheduler': await client('system:kube-scheduler'),
      'kube-proxy': await client('system:kube-proxy'),
    },
    adminToken: randomBytes(32).toString('hex'),
    serviceAccountKeyPem: tokens.privateKey.export({ type: 'sec1', format: 'pem' }).toString(),
    serviceAccountPublicPem: tokens.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

/** The files of a cluster's pki directory, by name. All are secret. */
export const pkiFiles = (pki: Pki): Readonly<Record<string, string>> => ({
  'ca.crt': pki.caPem,
  'kube-apiserver.crt': pki.apiServer.certPem,
  'kube-apiserver.key': pki.apiServer.keyPem,
  'kubelet.crt': pki.kubelet.certPem,
  'kubelet.key': pki.kubelet.keyPem,
  'kubelet-client.crt': pki.kubeletClient.certPem,
  'kubelet-client.key': pki.kubeletClient.keyPem,
  'tokens.csv': `${pki.adminToken},kubernetes-admin,kubernetes-admin,system:masters\n`,
  'sa.key': pki.serviceAccountKeyPem,
  'sa.pub': pki.serviceAccountPublicPem,
});

interface Authority {
  readonly certificate: x509.X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
}

const validity = (nowMs: number) => ({ notBefore: new Date(nowMs - dayMs), notAfter: new Date(nowMs + 365 * dayMs) });

const newKeys = (): Promise<webcrypto.CryptoKeyPair> => webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);

const pem = (certificate: x509.X509Certificate): string => `${certificate.toString('pem')}\n`;

async function createAuthority(nowMs: number): Promise<Authority> {
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=prow-e2e-ca',
    keys,
    signingAlgorithm: algorithm,
    ...validity(nowMs),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate, keys };
}

async function sign(authority: Authority, { subject, usage, names }: Leaf, nowMs: number): Promise<KeyPair> {
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.create({
    subject,
    issuer: authority.certificate.subject,
    publicKey: keys.publicKey,
    signingKey: authority.keys.privateKey,
    signingAlgorithm: algorithm,
    ...validity(nowMs),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage[usage]]),
      await x509.AuthorityKeyIdentifierExtension.create(authority.keys.publicKey),
      ...(names === undefined ? [] : [new x509.SubjectAlternativeNameExtension([...names])]),
    ],
  });
  const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { certPem: pem(certificate), keyPem: x509.PemConverter.encode(key, 'PRIVATE KEY') };
}
