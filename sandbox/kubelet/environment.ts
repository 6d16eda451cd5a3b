/**
 * A container's environment and command line as kubelet makes them: envFrom first, env over it, `$(NAME)` from what was defined before.
 * Nothing of the operator's own environment gets in. Values have their mount paths rewritten before anything is expanded, so that no path is
 * rewritten twice.
 */
import type { Container, EnvVar, Pod } from '../../operator/kube/builtin.ts';
import { fieldValue, resourceValue } from './downward.ts';
import { rewritePaths } from './mountPaths.ts';
import type { Mount } from './mountPaths.ts';
import { NotReadyError } from './podApi.ts';
import type { ContentReader, EnvFromSource } from './podApi.ts';

export interface EnvironmentInput {
  readonly pod: Pod;
  readonly container: Container;
  readonly content: ContentReader;
  readonly mounts: readonly Mount[];
  readonly podIP: string;
  /** What a container has before anything is declared: PATH, HOME, HOSTNAME. */
  readonly base: ReadonlyMap<string, string>;
}

/** Throws NotReadyError, worded as kubelet's CreateContainerConfigError, when a Secret or ConfigMap is missing. */
export function containerEnvironment(input: EnvironmentInput): Map<string, string> {
  const env = new Map(input.base);
  for (const source of (input.container.envFrom ?? []) as readonly EnvFromSource[]) addSource(env, source, input);
  for (const variable of input.container.env ?? []) {
    const value = variableValue(variable, env, input);
    if (value !== undefined) env.set(variable.name, value);
  }
  return env;
}

/** Expands `$(NAME)`; `$$(NAME)` stays as `$(NAME)`, and so does a name that is not defined. */
export const expand = (text: string, env: ReadonlyMap<string, string>): string =>
  text.replaceAll(/\$(\$|\(([^()$\s]+)\))/g, (whole, escaped: string, name: string | undefined) =>
    name === undefined ? (escaped === '$' ? '$' : whole) : (env.get(name) ?? whole),
  );

/** Command and arguments, rewritten and expanded. */
export const commandLine = (container: Container, env: ReadonlyMap<string, string>, mounts: readonly Mount[]): readonly string[] =>
  [...(container.command ?? []), ...(container.args ?? [])].map((part) => expand(rewritePaths(part, mounts), env));

function addSource(env: Map<string, string>, source: EnvFromSource, { content, mounts, pod }: EnvironmentInput): void {
  const [kind, ref] =
    source.secretRef === undefined ? (['configmap', source.configMapRef] as const) : (['secret', source.secretRef] as const);
  if (ref === undefined) return;
  const data = kind === 'secret' ? content.secret(ref.name) : content.configMap(ref.name);
  if (data === undefined) {
    if (ref.optional === true) return;
    throw new NotReadyError(
      `${kind} "${ref.name}" not found${pod.metadata.namespace === undefined ? '' : ` in namespace "${pod.metadata.namespace}"`}`,
    );
  }
  for (const [key, value] of data) env.set(`${source.prefix ?? ''}${key}`, rewritePaths(value.toString('utf8'), mounts));
}

function variableValue(variable: EnvVar, env: ReadonlyMap<string, string>, input: EnvironmentInput): string | undefined {
  const { mounts, pod } = input;
  const from = variable.valueFrom;
  if (from === undefined) return expand(rewritePaths(variable.value ?? '', mounts), env);
  if (from.fieldRef !== undefined) return fieldValue(pod, from.fieldRef.fieldPath, input.podIP);
  if (from.resourceFieldRef !== undefined) return resourceValue(pod, input.container.name, from.resourceFieldRef);
  if (from.secretKeyRef !== undefined) return keyValue('Secret', from.secretKeyRef, input);
  if (from.configMapKeyRef !== undefined) return keyValue('ConfigMap', from.configMapKeyRef, input);
  return undefined;
}

function keyValue(
  kind: 'Secret' | 'ConfigMap',
  ref: { readonly name: string; readonly key: string; readonly optional?: boolean },
  { content, mounts, pod }: EnvironmentInput,
): string | undefined {
  const data = kind === 'Secret' ? content.secret(ref.name) : content.configMap(ref.name);
  const value = data?.get(ref.key);
  if (value !== undefined) return rewritePaths(value.toString('utf8'), mounts);
  if (ref.optional === true) return undefined;
  if (data === undefined) throw new NotReadyError(`${kind.toLowerCase()} "${ref.name}" not found`);
  throw new NotReadyError(`couldn't find key ${ref.key} in ${kind} ${pod.metadata.namespace ?? ''}/${ref.name}`);
}
