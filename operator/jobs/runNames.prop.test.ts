/** Names and build ids hold their promises for any run: same input same answer, never two alike, always valid, sorted by time. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { buildIdOf } from './buildId.ts';
import { isLabelValue, labelsForSpec, shortLabelValue } from './labels.ts';
import { podNameOf } from './names.ts';

const created = fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2070, 0, 1) });
const attempt = fc.integer({ min: 1, max: 100 });

it('a build id has 19 digits, is the same each time, and grows with the attempt', () => {
  fc.assert(
    fc.property(created, fc.uuid(), attempt, (createdMs, uid, number) => {
      const id = buildIdOf({ createdMs, uid, attempt: number });
      expect(id).toMatch(/^\d{19}$/);
      expect(buildIdOf({ createdMs, uid, attempt: number })).toBe(id);
      expect(BigInt(buildIdOf({ createdMs, uid, attempt: number + 1 }))).toBeGreaterThan(BigInt(id));
    }),
  );
});

it('a run created in a later second has a greater build id, whatever the attempts', () => {
  fc.assert(
    fc.property(created, fc.uuid(), fc.uuid(), attempt, (createdMs, a, b, number) => {
      const early = buildIdOf({ createdMs, uid: a, attempt: number });
      expect(BigInt(buildIdOf({ createdMs: createdMs + 1000, uid: b, attempt: 1 }))).toBeGreaterThan(BigInt(early));
    }),
  );
});

it('2,000 runs of one second have 2,000 build ids', () => {
  const ids = new Set(Array.from({ length: 2000 }, (_, n) => buildIdOf({ createdMs: Date.UTC(2026, 0, 1), uid: `uid-${n}`, attempt: 1 })));
  expect(ids.size).toBe(2000);
});

it("the layout is upstream's: milliseconds since 1288834974657 in the upper bits", () => {
  const createdMs = Date.UTC(2026, 0, 1);
  const id = BigInt(buildIdOf({ createdMs, uid: 'u', attempt: 1 }));
  const idMs = Number(id >> 22n) + 1288834974657;
  expect(Math.floor(idMs / 1000)).toBe(createdMs / 1000);
});

it('pod names are valid, and different for each attempt', () => {
  const name = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,251}[a-z0-9])?$/);
  fc.assert(
    fc.property(name, attempt, (runName, number) => {
      const podName = podNameOf(runName, number);
      expect(podName.length).toBeLessThanOrEqual(253);
      expect(podName).toMatch(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/);
      expect(podNameOf(runName, number + 1)).not.toBe(podName);
      expect(podNameOf(runName, 1)).toBe(runName);
    }),
  );
});

it('labels of a run are always valid label values', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string(), fc.string(), (job, context, org) => {
      const labels = labelsForSpec({ type: 'postsubmit', job, context, refs: { org, repo: 'r' } }, { user: job });
      for (const value of Object.values(labels)) expect(isLabelValue(value)).toBe(true);
    }),
  );
});

it.each([
  { text: 'short', want: 'short' },
  { text: 'a'.repeat(70), want: 'a'.repeat(63) },
  { text: `${'a'.repeat(60)}..._tail`, want: 'a'.repeat(60) },
])('a long label value is cut and loses the punctuation at its end: $text', ({ text, want }) => expect(shortLabelValue(text)).toBe(want));

it('an org that is a URL becomes its last path element, and what cannot be a label is left out', () => {
  const labels = labelsForSpec({ type: 'postsubmit', job: 'j', refs: { org: 'https://gerrit.example.com', repo: 'a/b c' } });
  expect(labels['prow.k8s.io/refs.org']).toBe('gerrit.example.com');
  expect(labels).not.toHaveProperty('prow.k8s.io/refs.repo');
});
