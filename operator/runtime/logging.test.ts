import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { createLogger, redactText, redacted } from './logging.ts';
import type { LoggerOptions } from './logging.ts';
import { settle } from './testing/fakeClock.ts';

function setUp(options: Partial<LoggerOptions> & { tty?: boolean } = {}) {
  const { tty = false, ...rest } = options;
  const stream = Object.assign(new PassThrough(), { isTTY: tty });
  let text = '';
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const logger = createLogger({ stream, now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 678), ...rest });
  const lines = async (): Promise<string[]> => {
    await settle();
    return text.split('\n').filter((line) => line !== '');
  };
  const objects = async () => (await lines()).map((line) => JSON.parse(line) as Record<string, unknown>);
  return { logger, lines, objects };
}

describe('createLogger: JSON', () => {
  it('writes one object a line, with the fields of all parents', async () => {
    const t = setUp();
    t.logger.child({ controller: 'c' }).child({ key: 'ns/a' }).info('done', { ms: 3 });
    expect(await t.objects()).toEqual([
      { time: '2026-01-02T03:04:05.678Z', level: 'info', message: 'done', controller: 'c', key: 'ns/a', ms: 3 },
    ]);
  });

  it('leaves out what is below its level', async () => {
    const t = setUp({ level: 'warn' });
    t.logger.debug('d');
    t.logger.info('i');
    t.logger.warn('w');
    t.logger.error('e');
    expect((await t.objects()).map(({ level }) => level)).toEqual(['warn', 'error']);
    expect(t.logger.debugEnabled).toBe(false);
    expect(setUp({ level: 'debug' }).logger.child({}).debugEnabled).toBe(true);
  });

  it('writes errors with stack and cause, big numbers, and cuts what goes too deep', async () => {
    const t = setUp();
    const loop: Record<string, unknown> = {};
    loop.self = loop;
    t.logger.error('bad', { error: new TypeError('x', { cause: new Error('y') }), big: 2n ** 70n, loop, none: undefined });
    const [line] = await t.objects();
    expect(line).toMatchObject({
      error: { name: 'TypeError', message: 'x', stack: expect.stringContaining('TypeError: x'), cause: { message: 'y' } },
    });
    expect(line).toMatchObject({ big: '1180591620717411303424' });
    expect(JSON.stringify(line!.loop)).toContain('[deep]');
    expect(line).not.toHaveProperty('none');
  });

  it('takes a field called __proto__ for what it is: a name', async () => {
    const t = setUp();
    t.logger.info('m', JSON.parse('{"__proto__": {"admin": true}}') as Record<string, unknown>);
    expect((await t.lines())[0]).toContain('"__proto__":{"admin":true}');
  });
});

describe('createLogger: human', () => {
  it('writes one line, quoting what has spaces, and the stack below', async () => {
    const t = setUp({ format: 'human' });
    t.logger.warn('slow', { key: 'ns/a', note: 'two words', error: new Error('boom') });
    const lines = await t.lines();
    expect(lines[0]).toBe('03:04:05.678 WARN  slow key=ns/a note="two words" error=boom');
    expect(lines[1]).toBe('Error: boom');
  });

  it('colours the level on a terminal only', async () => {
    const onTerminal = setUp({ tty: true });
    onTerminal.logger.error('x');
    expect((await onTerminal.lines())[0]).toContain('\u001b[31mERROR\u001b[0m');
    const inFile = setUp({ format: 'human' });
    inFile.logger.error('x');
    expect((await inFile.lines())[0]).not.toContain('\u001b');
  });
});

describe('redaction', () => {
  it.each(['authorization', 'Authorization', 'token', 'accessToken', 'api_key', 'client-secret', 'webhook_token', 'dbPassword'])(
    'hides the field %s at any depth',
    async (name) => {
      const t = setUp();
      t.logger.info('m', { outer: { [name]: 'hunter2hunter2' } });
      expect(await t.objects()).toMatchObject([{ outer: { [name]: redacted } }]);
    },
  );

  it.each(['key', 'secretName', 'tokenCount', 'reason'])('shows the field %s', async (name) => {
    const t = setUp();
    t.logger.info('m', { [name]: 'plain' });
    expect(await t.objects()).toMatchObject([{ [name]: 'plain' }]);
  });

  it.each([
    { text: 'Authorization: Bearer abcdefgh.ijklmnop', hidden: 'abcdefgh' },
    { text: `got ghp_${'a1'.repeat(18)} from env`, hidden: 'ghp_' },
    { text: `jwt eyJhbGciOiJI.eyJzdWIiOiIx.${'c'.repeat(20)}`, hidden: 'eyJ' },
    { text: 'clone https://user:pa55word@example.com/x.git', hidden: 'pa55word' },
    { text: '-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----', hidden: 'MIIabc' },
  ])('hides a credential inside text: $hidden', async ({ text, hidden }) => {
    expect(redactText(text)).not.toContain(hidden);
    const t = setUp();
    t.logger.error(text, { error: new Error(text), list: [text] });
    expect((await t.lines()).join('')).not.toContain(hidden);
  });

  it('leaves ordinary text alone', () => {
    const text = 'pod ns/a-basic failed: https://example.com/x?y=1, basic auth is off';
    expect(redactText(text)).toBe(text);
  });
});
