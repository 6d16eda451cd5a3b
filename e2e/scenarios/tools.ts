/** kubectl and helm as a user calls them, with nothing of this machine's own settings. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { kubernetesTool } from '../../tools/helm.ts';

const run = promisify(execFile);

export interface ToolCall {
  readonly kubeconfig: string;
  readonly args: readonly string[];
  readonly input?: string;
}

/** What the program wrote. Rejects with its own words when it failed. */
async function call(program: string, { kubeconfig, args, input = '' }: ToolCall): Promise<string> {
  const env = { PATH: process.env.PATH, HOME: `${kubeconfig}.home`, KUBECONFIG: kubeconfig };
  const child = run(program, [...args], { env, maxBuffer: 64 << 20 });
  child.child.stdin?.end(input);
  try {
    return (await child).stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { readonly stdout?: string; readonly stderr?: string };
    throw new Error(`${path.basename(program)} ${args.join(' ')} failed: ${stderr.trim()}\n${stdout.trim()}`.trimEnd(), { cause: error });
  }
}

const paths = new Map<'kubectl' | 'helm', string>();

function pathOf(tool: 'kubectl' | 'helm'): string {
  const known = paths.get(tool) ?? kubernetesTool(tool);
  paths.set(tool, known);
  return known;
}

export const kubectl = (options: ToolCall): Promise<string> => call(pathOf('kubectl'), options);
export const helm = (options: ToolCall): Promise<string> => call(pathOf('helm'), options);
