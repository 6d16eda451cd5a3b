/**
 * A container here is a process without a mount namespace. Its mount paths exist all the same: wherever a mount path stands in its command,
 * arguments, environment or working directory, at the boundaries of a path, it is replaced by the directory of the pod's volume.
 * `/data`, `--out=/data/x` and `A:/data` are replaced; `/database`, `/srv/data`, `$DIR/data` and `https://host/data` are not.
 * What a program has compiled in, or reads from a file, is not seen: such programs take the path from an argument or a variable.
 */
export interface Mount {
  readonly mountPath: string;
  readonly hostPath: string;
}

/** A character before the match that makes it the middle of a longer path, and one after it that makes it a longer name. */
const continuesBefore = /[\w.~+@%*?\]})/-]/;
const continuesAfter = /[\w.~+@%-]/;

/** The longest mount path wins where several match. The result of a replacement is not looked at again. */
export function rewritePaths(text: string, mounts: readonly Mount[]): string {
  const candidates = mounts
    .map((mount) => ({ ...mount, mountPath: mount.mountPath.replace(/\/+$/, '') }))
    .filter((mount) => mount.mountPath.startsWith('/'))
    .sort((a, b) => b.mountPath.length - a.mountPath.length);
  let result = '';
  let at = 0;
  while (at < text.length) {
    const mount = candidates.find((candidate) => matchesAt(text, at, candidate.mountPath));
    result += mount?.hostPath ?? text.charAt(at);
    at += mount?.mountPath.length ?? 1;
  }
  return result;
}

function matchesAt(text: string, at: number, mountPath: string): boolean {
  if (!text.startsWith(mountPath, at)) return false;
  const before = text.charAt(at - 1);
  const after = text.charAt(at + mountPath.length);
  return !(at > 0 && continuesBefore.test(before)) && !(after !== '' && continuesAfter.test(after));
}
