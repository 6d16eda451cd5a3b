import { expect, it } from 'vitest';
import { pods } from './builtin.ts';
import { objectPath } from './paths.ts';

it.each([
  { name: 'a/b?c', path: '/api/v1/namespaces/ns/pods/a%2Fb%3Fc' },
  { name: 'half of \ud83e', path: '/api/v1/namespaces/ns/pods/half%20of%20%EF%BF%BD' },
])('a name of any text is one segment: $path', ({ name, path }) => {
  expect(objectPath(pods, { namespace: 'ns', name })).toBe(path);
});
