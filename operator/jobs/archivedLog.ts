/** Where the log of an attempt lies in an archive that is a directory: what `prow-operator logs` reads when the pod is gone. Pure. */
import type { Attempt, ProwJob } from '../../crds/v1/prowJob.ts';
import { destinationOf } from './archiveDestination.ts';
import { attemptsToArchive } from './archiveHold.ts';
import { LayoutError, layoutOf, logNames } from './archiveLayout.ts';
import type { ArchivePolicy } from './archivePolicy.ts';

export interface ArchiveHints {
  /** The directory of the archive, as the caller names it. */
  readonly root: string | undefined;
  /** The message of the condition Archived, which names the directory of the latest attempt. */
  readonly archived: string | undefined;
  /** Absent: the only container, or the first. */
  readonly container: string | undefined;
}

/** Undefined where neither hint names a directory. */
export function archivedLogPath(run: ProwJob, attempt: Attempt, { root, archived, container }: ArchiveHints): string | undefined {
  const directory = root === undefined ? fromStatus(run, attempt, archived) : fromRoot(run, attempt, root);
  return directory === undefined ? undefined : directory + fileOf(run, container);
}

function fromStatus(run: ProwJob, attempt: Attempt, archived: string | undefined): string | undefined {
  const directory = /\bfile:\/\/(\/.*\/)\.(?:\s|$)/.exec(archived ?? '')?.[1];
  const latest = attemptsToArchive(run).at(-1)?.build_id ?? '';
  if (directory === undefined || attempt.build_id === latest) return directory;
  const end = `/${latest}/`;
  return directory.endsWith(end) ? `${directory.slice(0, -end.length)}/${attempt.build_id}/` : undefined;
}

function fromRoot(run: ProwJob, attempt: Attempt, root: string): string | undefined {
  const location = { scheme: 'file', bucket: root.replace(/(?<=.)\/+$/, ''), prefix: '' } as const;
  const policy: ArchivePolicy = {
    location,
    allowedBuckets: [],
    pathStrategy: 'explicit',
    defaultOrg: '',
    defaultRepo: '',
    holdCleanupMs: 0,
  };
  try {
    return `${location.bucket}/${layoutOf(run.spec, attempt.build_id, destinationOf(run.spec, policy)).directory}`;
  } catch (error) {
    if (error instanceof LayoutError) return undefined;
    throw error;
  }
}

const usualName = 'build-log.txt';

function fileOf({ spec }: ProwJob, container: string | undefined): string {
  const named = (list: readonly { readonly name?: string }[] = []) => list.map(({ name = '' }) => ({ name }));
  const containers = named(spec.pod_spec?.containers);
  const names = logNames({ containers, initContainers: named(spec.pod_spec?.initContainers) });
  return names.get(container ?? containers[0]?.name ?? '') ?? usualName;
}
