/** Which changes of the settings a process that watches one namespace can carry out, and what it says of the others. */
import { expect, it } from 'vitest';
import { defaultSettings } from '../config/loadSettings.ts';
import type { Settings } from '../config/settings.ts';
import { FakeClock } from '../runtime/testing/fakeClock.ts';
import { RecordingLogger } from '../runtime/testing/recordingLogger.ts';
import { OperatorKit } from '../runtime/operatorKit.ts';
import { setUpControllers } from './controllers.ts';

interface Row {
  readonly name: string;
  readonly namespace?: string;
  readonly before?: Partial<Settings>;
  readonly after: Partial<Settings>;
  readonly warns: boolean;
}

const rows: readonly Row[] = [
  { name: 'a limit', namespace: 'ci', after: { prowJobs: { ...defaultSettings().prowJobs, maxConcurrency: 3 } }, warns: false },
  { name: 'a pod namespace that is not watched', namespace: 'ci', after: { podNamespace: 'pods' }, warns: true },
  { name: 'a tenant namespace that is not watched', namespace: 'ci', after: { tenants: new Map([['ci', ['heavy']]]) }, warns: true },
  { name: 'a tenant that is not ours', namespace: 'ci', after: { tenants: new Map([['other', ['heavy']]]) }, warns: false },
  { name: 'the watched namespace', namespace: 'ci', after: { podNamespace: 'ci' }, warns: false },
  {
    name: 'one place for another, where all are watched',
    namespace: 'ci',
    before: { podNamespace: 'a' },
    after: { podNamespace: 'b' },
    warns: false,
  },
  { name: 'any place for a process that watches all', after: { podNamespace: 'pods' }, warns: false },
];

it.each(rows)('$name', ({ namespace, before = {}, after, warns }) => {
  const logger = new RecordingLogger();
  const access = { access: () => Promise.reject(new Error('nothing connects here')) };
  const kit = new OperatorKit({ name: 'test', identity: 'test', access, clock: new FakeClock(0), logger });
  let settings: Settings = { ...defaultSettings(), ...before };
  const wired = setUpControllers(kit, { settings: () => settings, ...(namespace === undefined ? {} : { namespace }) });
  settings = { ...defaultSettings(), ...after };
  wired.settingsChanged();
  const warnings = logger.lines.filter(({ level }) => level === 'warn');
  expect(warnings.map(({ message }) => message.includes('take effect at the next start'))).toEqual(warns ? [true] : []);
});
