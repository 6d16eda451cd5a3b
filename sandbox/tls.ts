/**
 * The sandbox's own certificate authority: made anew at each start, kept in memory, trusted by nobody but the kubeconfig that the
 * sandbox writes. Signs one server certificate for the loopback names. The CA's private key is dropped as soon as it has signed.
 */
import './reflectMetadata.ts';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

export interface Authority {
  readonly caPem: string;
  readonly server: { readonly certPem: string; readonly keyPem: string };
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const dayMs = 86_400_000;
/** Back-dated, so that a container or virtual machine whose clock is a little behind accepts it. */
const backdateMs = dayMs;
const lifetimeMs = 365 * dayMs;

/** Creates a CA and a server certificate for `localhost`, 127.0.0.1 and ::1, valid for a year from `nowMs`. */
export async function createAuthority(nowMs: number = Date.now()): Promise<Authority> {
  const validity = { notBefore: new Date(nowMs - backdateMs), notAfter: new Date(nowMs + lifetimeMs) };
  const caKeys = await newKeys();
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=prow-operator sandbox CA',
    keys: caKeys,
    signingAlgorithm: algorithm,
    ...validity,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(caKeys.publicKey),
    ],
  });
  const serverKeys = await newKeys();
  const server = await x509.X509CertificateGenerator.create({
    subject: 'CN=prow-operator sandbox',
    issuer: ca.subject,
    publicKey: serverKeys.publicKey,
    signingKey: caKeys.privateKey,
    signingAlgorithm: algorithm,
    ...validity,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
        { type: 'ip', value: '::1' },
      ]),
      await x509.AuthorityKeyIdentifierExtension.create(caKeys.publicKey),
    ],
  });
  const key = await webcrypto.subtle.exportKey('pkcs8', serverKeys.privateKey);
  return { caPem: pem(ca), server: { certPem: pem(server), keyPem: x509.PemConverter.encode(key, 'PRIVATE KEY') } };
}

const newKeys = (): Promise<webcrypto.CryptoKeyPair> => webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);

const pem = (certificate: x509.X509Certificate): string => `${certificate.toString('pem')}\n`;
