/** What a user does with nothing but kubectl. */
import path from 'node:path';
import { expect } from 'vitest';
import { forever, periodic, prowJob, rarely } from './manifests.ts';
import { stories } from './story.ts';

const examples = path.join(import.meta.dirname, '..', '..', 'examples');

/** The words of a table's head. */
const head = (table: string): readonly string[] => (table.split('\n')[0] ?? '').trim().split(/\s+/);

stories('with kubectl', {}, (story) => {
  story('a user creates a run, waits for it, and reads its log', async (scene) => {
    await scene.kubectl(['create', '-f', '-'], JSON.stringify(prowJob('hello', 'echo hello from the test')));
    await scene.kubectl(['wait', '--for=condition=Ready', 'prowjob/hello', '--timeout=60s']);
    await scene.kubectl(['wait', '--for=condition=Succeeded', 'pj/hello', '--timeout=5s']);
    expect(await scene.kubectl(['logs', 'hello'])).toBe('hello from the test\n');
    expect(await scene.kubectl(['get', 'pj', 'hello', '-o', 'jsonpath={.status.state}'])).toBe('success');
  });

  story('a user sees runs and schedules in a table', async (scene) => {
    await scene.kubectl(['apply', '-f', '-'], JSON.stringify(prowJob('listed', 'exit 1')));
    await scene.kubectl(['apply', '-f', '-'], JSON.stringify(periodic('planned', 'true', { cron: rarely })));
    await scene.kubectl(['wait', '--for=condition=Ready', 'prowjob/listed', 'periodic/planned', '--timeout=60s']);
    const runs = await scene.kubectl(['get', 'prowjobs']);
    expect(head(runs)).toEqual(['NAME', 'JOB', 'BUILDID', 'TYPE', 'ORG', 'REPO', 'PULLS', 'STARTTIME', 'COMPLETIONTIME', 'STATE']);
    expect(runs).toMatch(/^listed +listed +\d{19} +periodic .* failure$/m);
    const wide = await scene.kubectl(['get', 'prowjobs', '-o', 'wide']);
    expect(head(wide).slice(-3)).toEqual(['REASON', 'CLUSTER', 'DESCRIPTION']);
    expect(wide).toContain('TestFailed');
    const schedules = await scene.kubectl(['get', 'periodics']);
    expect(head(schedules)).toEqual(['NAME', 'CRON', 'INTERVAL', 'TIMEZONE', 'SUSPEND', 'ACTIVE', 'LASTSCHEDULE', 'NEXT', 'READY', 'AGE']);
    expect(schedules).toMatch(/^planned +0 0 1 1 \* .*T00:00:00Z +True +\d+s/m);
    const all = await scene.kubectl(['get', 'prow']);
    expect(all).toContain('prowjob.prow.k8s.io/listed');
    expect(all).toContain('periodic.prow.k8s.io/planned');
  });

  story('a user describes a run that failed and finds out why', async (scene) => {
    await scene.kubectl(['apply', '-f', '-'], JSON.stringify(prowJob('puzzling', 'exit 7')));
    await scene.kubectl(['wait', '--for=condition=Succeeded=false', 'prowjob/puzzling', '--timeout=60s']);
    await scene.eventually('the Event', async () => (await scene.eventsOf('puzzling')).length > 0);
    const text = await scene.kubectl(['describe', 'prowjob', 'puzzling']);
    expect(text).toContain('container test ended with exit code 7');
    expect(text).toMatch(/Warning +TestFailed/);
  });

  story('a user aborts a run, and can neither take it back nor change the run', async (scene) => {
    await scene.kubectl(['apply', '-f', '-'], JSON.stringify(prowJob('unwanted', forever)));
    await scene.started('unwanted');
    const patch = (spec: object): Promise<string> =>
      scene.kubectl(['patch', 'pj', 'unwanted', '--type=merge', '-p', JSON.stringify({ spec })]);
    await patch({ abort: { by: 'bob', reason: 'not needed' } });
    await scene.kubectl(['wait', '--for=jsonpath={.status.state}=aborted', 'pj/unwanted', '--timeout=60s']);
    await expect(patch({ abort: null })).rejects.toThrow(/abort/);
    await expect(patch({ job: 'another' })).rejects.toThrow(/cannot change/);
  });

  story('a user starts a schedule by hand, pauses it, and deletes it', async (scene) => {
    await scene.kubectl(['apply', '-f', '-'], JSON.stringify(periodic('mine', 'true', { cron: rarely })));
    await scene.kubectl(['annotate', 'periodic', 'mine', 'prow.k8s.io/run-now=today']);
    const [run] = await scene.eventually('the run', () => scene.runsOf('mine').length > 0 && scene.runsOf('mine'));
    await scene.finished(run?.metadata.name ?? '');
    await scene.kubectl(['patch', 'per', 'mine', '--type=merge', '-p', '{"spec":{"suspend":true}}']);
    await scene.kubectl(['wait', '--for=condition=Suspended', 'periodic/mine', '--timeout=30s']);
    await scene.kubectl(['delete', 'periodic', 'mine', '--timeout=60s']);
    await scene.eventually('the run to be gone too', () => scene.recorder.run(scene.namespace, run?.metadata.name ?? '') === undefined);
  });

  story('a user asks what a field means', async (scene) => {
    expect(await scene.kubectl(['explain', 'prowjob.spec.timeouts'])).toContain('Four deadlines');
    expect(await scene.kubectl(['explain', 'periodic.spec.concurrencyPolicy'])).toContain('Forbid');
    expect(await scene.kubectl(['explain', 'pluginconfig.spec.repos'])).toContain('Where the plugins act');
  });

  story('a user who misspells a field is told before anything is created', async (scene) => {
    const object = prowJob('typo', 'true');
    const wrong = JSON.stringify({ ...object, spec: { ...object.spec, max_concurency: 1 } });
    await expect(scene.kubectl(['apply', '-f', '-'], wrong)).rejects.toThrow(/max_concurency/);
    expect(scene.recorder.run(scene.namespace, 'typo')).toBeUndefined();
  });

  story('a user applies the examples, again and again, and nothing changes but what was changed', async (scene) => {
    for (const example of ['first-periodic/periodic.yaml', 'pluginconfig/pluginconfig.yaml']) {
      const file = path.join(examples, example);
      await scene.kubectl(['apply', '-f', file]);
      await scene.kubectl(['wait', '--for=condition=Ready', '-f', file, '--timeout=30s']);
      expect(await scene.kubectl(['apply', '-f', file])).toContain('unchanged');
      expect(await scene.kubectl(['diff', '-f', file])).toBe('');
      expect(await scene.kubectl(['get', '-f', file, '-o', 'custom-columns=:metadata.generation', '--no-headers'])).toMatch(/^(1\s+)+$/);
    }
  });
});
