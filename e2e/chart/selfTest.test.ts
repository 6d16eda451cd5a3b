/** `prow-operator selftest`, the program of `helm test`, against an operator on the sandbox. */
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { periodics, prowJobs } from '../../crds/resources.ts';
import { successesIn } from '../../operator/commands/selfTest.ts';
import { startOperatorOnSandbox, type OperatorOnSandbox } from './operatorOnSandbox.ts';

const program = path.join(import.meta.dirname, '../../bin/prow-operator.mjs');

describe('selftest', () => {
  let world: OperatorOnSandbox;
  beforeAll(async () => {
    world = await startOperatorOnSandbox({});
  }, 60_000);
  afterAll(() => world.close());

  interface Outcome {
    readonly code: number | null;
    readonly out: string;
    readonly err: string;
  }

  async function selfTest(script: string, more: readonly string[] = []): Promise<Outcome> {
    const podSpec = { containers: [{ name: 'test', image: 'busybox', command: ['/bin/sh', '-c', script] }] };
    const args = ['selftest', '--kubeconfig', world.sandbox.kubeconfigPath, '--namespace', 'default', '--metrics-url', world.metricsUrl];
    const child = spawn(process.execPath, [program, ...args, '--pod-spec', JSON.stringify(podSpec), '--expect-log', 'hello', ...more]);
    const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
    return { code: code as number | null, out, err };
  }

  async function leftOver(): Promise<readonly string[]> {
    const lists = await Promise.all([world.client.list(prowJobs), world.client.list(periodics)]);
    return lists.flatMap(({ items }) => items.map(({ metadata }) => metadata.name));
  }

  it('passes, tells its steps and leaves nothing behind', async () => {
    const { code, out, err } = await selfTest('echo hello');
    expect(err).toBe('');
    expect(out).toMatch(/created ProwJob .*created Periodic .*run .* succeeded .*both logs are there.*has counted them.*deleted .*ok\n$/s);
    expect(code).toBe(0);
    expect(await leftOver()).toEqual([]);
  }, 60_000);

  it('fails with the reason and the log of a run that fails', async () => {
    const { code, err } = await selfTest('echo out of cheese; exit 3');
    expect(err).toMatch(/has not succeeded: state failure TestFailed/);
    expect(err).toContain('out of cheese');
    expect(code).toBe(1);
    expect(await leftOver()).toEqual([]);
  }, 60_000);

  it('fails when the log is not the expected one', async () => {
    const { code, err } = await selfTest('echo goodbye');
    expect(err).toContain('does not have "hello" in it');
    expect(code).toBe(1);
  }, 60_000);

  it('fails when time is up, and says how far the run came', async () => {
    const { code, err } = await selfTest('echo hello; sleep 300', ['--timeout', '2s']);
    expect(err).toMatch(/is not finished in time: state pending/);
    expect(code).toBe(1);
    expect(await leftOver()).toEqual([]);
  }, 60_000);

  it.each([
    [['--timeout', 'soon'], '--timeout soon'],
    [['--pod-spec', '{'], '--pod-spec is not JSON'],
    [['--operator-pods', 'nowhere'], '--operator-pods nowhere is not NAMESPACE/LABEL-SELECTOR'],
  ])('refuses to be called with %j', async (more, message) => {
    const { code, err } = await selfTest('true', more);
    expect(err).toContain(message);
    expect(code).toBe(2);
  });
});

describe('successesIn', () => {
  it('adds up the successes of every type and nothing else', () => {
    const page = `# HELP prowjob_state_transitions_total Runs.
prowjob_state_transitions_total{type="periodic",from="pending",to="success",reason="Success"} 2
prowjob_state_transitions_total{type="presubmit",from="pending",to="success",reason="Success"} 3
prowjob_state_transitions_total{type="presubmit",from="pending",to="failure",reason="TestFailed"} 4
other{to="success"} 5`;
    expect(successesIn(page)).toBe(5);
  });
});
