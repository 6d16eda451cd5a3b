/** The Dockerfile repeats how a container starts, because it has to. Here it is held to the description that `make image` uses. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { root } from './bundle.ts';
import { settingsOf } from './contents.ts';

const dockerfile = readFileSync(path.join(root, 'Dockerfile'), 'utf8');
const finalStage = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
const value = (instruction: string): string | undefined =>
  finalStage
    .split('\n')
    .find((line) => line.startsWith(`${instruction} `))
    ?.slice(instruction.length + 1);

const settings = settingsOf(['x:1'], '1.2.3');

test('a container from the Dockerfile starts as one from make image', () => {
  expect(JSON.parse(value('ENTRYPOINT') ?? '')).toEqual(settings.entrypoint);
  expect(JSON.parse(value('CMD') ?? '')).toEqual(settings.command);
  expect(value('USER')).toBe(settings.user);
  expect(value('WORKDIR')).toBe(settings.workingDir);
  const environment = Object.entries(settings.environment ?? {}).map(([name, text]) => `${name}=${text}`);
  expect(value('ENV')?.split(' ')).toEqual(environment);
});

test('it is built with the Node that the lockfile names, and holds nothing but the described files', () => {
  expect(dockerfile).toContain(`FROM node:${packageJson.devDependencies.node}-`);
  expect(finalStage.match(/^(COPY|ADD|RUN) .*$/gm)).toEqual(['COPY --from=build /rootfs/ /']);
});
