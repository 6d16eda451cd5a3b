/**
 * The real helm, for tests and the demo: where the program is, and rendering a chart with it. Brings the program through tools/k8s
 * when it is not there yet.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const toolsDir = path.join(import.meta.dirname, 'k8s');

/** The path of helm or kubectl; the bare name where the user's own must do (see tools/k8s/install.mjs). Throws what the installer says. */
export function kubernetesTool(name: 'helm' | 'kubectl'): string {
  execFileSync(process.execPath, [path.join(toolsDir, 'install.mjs')], { stdio: ['ignore', 'ignore', 'inherit'] });
  const program = path.join(toolsDir, 'bin', name);
  return existsSync(program) ? program : name;
}

export interface RenderOptions {
  readonly chart: string;
  readonly namespace: string;
  readonly valuesFiles?: readonly string[];
  /** As for --set. */
  readonly set?: readonly string[];
}

/** The rendered manifests as multi-document YAML. Throws with helm's message. Reads and writes nothing of the user's helm settings. */
export function renderChart({ chart, namespace, valuesFiles = [], set = [] }: RenderOptions): string {
  const home = mkdtempSync(path.join(tmpdir(), 'helm-home-'));
  try {
    const args = [
      'template',
      path.basename(chart),
      chart,
      '--namespace',
      namespace,
      ...valuesFiles.flatMap((file) => ['--values', file]),
      ...set.flatMap((value) => ['--set', value]),
    ];
    return execFileSync(kubernetesTool('helm'), args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 64 << 20,
      env: { PATH: process.env.PATH ?? '', HOME: home },
    });
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
