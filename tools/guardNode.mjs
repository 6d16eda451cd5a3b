// Fails with a clear message unless it runs on the Node major that package.json asks for. Plain JavaScript on purpose: an older
// Node must be able to read it.
import { readFileSync } from 'node:fs';

const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const [, wantMajor, wantMinor] = /(\d+)\.(\d+)/.exec(engines.node).map(Number);
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < wantMajor || (major === wantMajor && minor < wantMinor)) {
  console.error(`prow-operator needs Node ${engines.node}, but this is Node ${process.versions.node} (${process.execPath}).`);
  console.error('Node 24 comes with the dependencies: run "make setup" once, then use make, "npm run …", or');
  console.error('  export PATH="$PWD/node_modules/.bin:$PATH"');
  process.exit(1);
}
