import { expect, test } from 'vitest';
import { rewritePaths } from './mountPaths.ts';

const mounts = [
  { mountPath: '/data', hostPath: '/pods/data' },
  { mountPath: '/data/cache/', hostPath: '/pods/cache' },
  { mountPath: '/pods', hostPath: '/never' },
];

test.each<{ text: string; rewritten: string }>([
  { text: '/data', rewritten: '/pods/data' },
  { text: '/data/', rewritten: '/pods/data/' },
  { text: '/data/x /data/y', rewritten: '/pods/data/x /pods/data/y' },
  { text: '--out=/data/x', rewritten: '--out=/pods/data/x' },
  { text: '/bin:/data:/sbin', rewritten: '/bin:/pods/data:/sbin' },
  { text: `cat "/data/a b" > '/data/c'`, rewritten: `cat "/pods/data/a b" > '/pods/data/c'` },
  { text: 'cd /data&& ls;test -e /data||x', rewritten: 'cd /pods/data&& ls;test -e /pods/data||x' },
  { text: '/data/cache/x', rewritten: '/pods/cache/x' },
  { text: '/data/cached', rewritten: '/pods/data/cached' },
  { text: '/database /data-old /data.txt /data_1', rewritten: '/database /data-old /data.txt /data_1' },
  { text: '/srv/data ./data ~/data ../data', rewritten: '/srv/data ./data ~/data ../data' },
  { text: '$DIR/data ${DIR}/data $(DIR)/data', rewritten: '$DIR/data ${DIR}/data $(DIR)/data' },
  { text: 'https://host/data gs://data', rewritten: 'https://host/data gs://data' },
  { text: '', rewritten: '' },
])('$text', ({ text, rewritten }) => expect(rewritePaths(text, mounts)).toBe(rewritten));

test('a mount of the root or of a relative path rewrites nothing', () => {
  const odd = [
    { mountPath: '/', hostPath: '/x' },
    { mountPath: 'data', hostPath: '/y' },
  ];
  expect(rewritePaths('/etc data', odd)).toBe('/etc data');
});
