/** kubectl itself against the sandbox, as a user types it. Runs where tools/k8s has brought kubectl. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startSandbox } from './sandbox.ts';
import type { Sandbox } from './sandbox.ts';

const kubectlPath = path.join(import.meta.dirname, '../tools/k8s/bin/kubectl');
const crds = path.join(import.meta.dirname, '../crds/generated');
const run = promisify(execFile);

let sandbox: Sandbox;
let home: string;

/** Both streams, so that a test sees warnings and errors too. */
async function kubectl(...args: string[]): Promise<string> {
  const env = { KUBECONFIG: sandbox.kubeconfigPath, HOME: home, PATH: '/usr/bin:/bin', KUBE_EDITOR: 'sed -i s/first/edited/' };
  try {
    const { stdout, stderr } = await run(kubectlPath, args, { env });
    return stdout + stderr;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    return stdout + stderr;
  }
}

async function file(name: string, text: string): Promise<string> {
  const target = path.join(home, name);
  await writeFile(target, text);
  return target;
}

const periodic = (cron: string): string => `
apiVersion: prow.k8s.io/v1
kind: Periodic
metadata: {name: nightly, labels: {team: first}}
spec:
  cron: "${cron}"
  jobTemplate: {spec: {agent: kubernetes, pod_spec: {containers: [{image: busybox, command: ["true"]}]}}}
`;

describe.skipIf(!existsSync(kubectlPath))('kubectl', () => {
  beforeAll(async () => {
    home = await mkdtemp(path.join(tmpdir(), 'kubectl-test-'));
    sandbox = await startSandbox();
    await kubectl('apply', '-f', crds);
    await kubectl('wait', '--for=condition=Established', 'crd', '--all', '--timeout=10s');
  });

  afterAll(async () => {
    await sandbox.close();
    await rm(home, { recursive: true, force: true });
  });

  it('applies, applies again without a change, and configures', async () => {
    const manifest = await file('periodic.yaml', periodic('@every 10m'));
    expect(await kubectl('apply', '-f', manifest)).toBe('periodic.prow.k8s.io/nightly created\n');
    expect(await kubectl('apply', '-f', manifest)).toBe('periodic.prow.k8s.io/nightly unchanged\n');
    await writeFile(manifest, periodic('@every 20m'));
    expect(await kubectl('diff', '-f', manifest)).toMatch(/-\s+cron: '@every 10m'\n\+\s+cron: '@every 20m'/);
    expect(await kubectl('apply', '-f', manifest)).toBe('periodic.prow.k8s.io/nightly configured\n');
    expect(await kubectl('get', 'periodics', 'nightly', '-o', 'jsonpath={.spec.cron} {.metadata.generation}')).toBe('@every 20m 2');
  });

  it('applies server-side, and is told of a conflict', async () => {
    const manifest = await file('map.yaml', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ssa}\ndata: {a: "1", b: "1"}\n');
    expect(await kubectl('apply', '--server-side', '-f', manifest)).toBe('configmap/ssa serverside-applied\n');
    await writeFile(manifest, 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ssa}\ndata: {a: "2"}\n');
    expect(await kubectl('apply', '--server-side', '--field-manager=other', '-f', manifest)).toContain('conflict with "kubectl": .data.a');
    expect(await kubectl('apply', '--server-side', '-f', manifest)).toBe('configmap/ssa serverside-applied\n');
    expect(await kubectl('get', 'configmap', 'ssa', '-o', 'jsonpath={.data}')).toBe('{"a":"2"}');
  });

  it('refuses a misspelt field and a wrong value with the words of Kubernetes', async () => {
    const misspelt = await file('bad.yaml', periodic('@every 10m').replace('jobTemplate', 'jobtemplate'));
    expect(await kubectl('create', '-f', misspelt)).toContain('strict decoding error: unknown field "spec.jobtemplate"');
    const pod = await file(
      'pod.yaml',
      'apiVersion: v1\nkind: Pod\nmetadata: {name: Bad_Name}\nspec: {containers: [{name: t, image: x}]}\n',
    );
    expect(await kubectl('create', '-f', pod)).toMatch(
      /The Pod "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain/,
    );
  });

  it('creates built-in objects, which it sends as protobuf', async () => {
    expect(await kubectl('create', 'namespace', 'team')).toBe('namespace/team created\n');
    expect(await kubectl('create', 'secret', 'generic', 'token', '-n', 'team', '--from-literal=key=hush')).toBe('secret/token created\n');
    expect(await kubectl('get', 'secret', 'token', '-n', 'team', '-o', 'jsonpath={.data.key}')).toBe('aHVzaA==');
    expect(await kubectl('create', 'role', 'reader', '-n', 'team', '--verb=get', '--resource=pods')).toContain('created');
    expect(await kubectl('delete', 'namespace', 'team')).toContain('namespace "team" deleted');
    expect(await kubectl('get', 'secrets', '-n', 'team')).toContain('No resources found');
  });

  it('labels, annotates, patches in three ways and edits', async () => {
    await kubectl('create', 'configmap', 'changing', '--from-literal=word=first');
    expect(await kubectl('label', 'configmap', 'changing', 'a=b')).toContain('labeled');
    expect(await kubectl('annotate', 'configmap', 'changing', 'c=d')).toContain('annotated');
    for (const [type, patch] of [
      ['merge', '{"data":{"m":"1"}}'],
      ['strategic', '{"data":{"s":"1"}}'],
      ['json', '[{"op":"add","path":"/data/j","value":"1"}]'],
    ] as const) {
      expect(await kubectl('patch', 'configmap', 'changing', `--type=${type}`, '-p', patch)).toBe('configmap/changing patched\n');
    }
    expect(await kubectl('edit', 'configmap', 'changing')).toBe('configmap/changing edited\n');
    expect(await kubectl('get', 'configmap', 'changing', '-o', 'jsonpath={.data} {.metadata.labels.a} {.metadata.annotations.c}')).toBe(
      '{"j":"1","m":"1","s":"1","word":"edited"} b d',
    );
  });

  it('runs a pod, follows its log, waits for its end and describes it', async () => {
    expect(await kubectl('run', 'hello', '--image=busybox', '--restart=Never', '--command', '--', 'sh', '-c', 'echo one; echo two')).toBe(
      'pod/hello created\n',
    );
    expect(await kubectl('wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/hello', '--timeout=20s')).toBe(
      'pod/hello condition met\n',
    );
    expect(await kubectl('logs', '-f', 'hello')).toBe('one\ntwo\n');
    expect(await kubectl('get', 'pod', 'hello')).toMatch(/NAME +READY +STATUS +RESTARTS +AGE\nhello +0\/1 +Completed +0 +/);
    expect(await kubectl('describe', 'pod', 'hello')).toMatch(/Exit Code: +0[^]*Events:[^]*Scheduled/);
    expect(await kubectl('delete', 'pod', 'hello')).toContain('deleted');
  });

  it('knows the resources and explains them', async () => {
    expect(await kubectl('api-resources', '--api-group=prow.k8s.io')).toMatch(/periodics +per +prow.k8s.io\/v1 +true +Periodic/);
    expect(await kubectl('explain', 'prowjob.spec.abort')).toContain('KIND:       ProwJob');
    expect(await kubectl('auth', 'can-i', 'delete', 'pods')).toBe('yes\n');
  });
});
