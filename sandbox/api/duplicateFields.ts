/** Finds fields that appear twice in one JSON object, which JSON.parse hides by keeping the last. */

interface Frame {
  readonly path: string;
  /** Undefined in an array. */
  readonly keys: Set<string> | undefined;
  index: number;
  key: string;
}

const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

const child = (frame: Frame): string => {
  if (frame.keys === undefined) return `${frame.path}[${frame.index}]`;
  return frame.path === '' ? frame.key : `${frame.path}.${frame.key}`;
};

/** @param text valid JSON
 *  @returns the paths of the second and later appearances */
export function duplicateFields(text: string): readonly string[] {
  const duplicates: string[] = [];
  const stack: Frame[] = [];
  let expectsKey = false;
  for (const [found] of text.matchAll(token)) {
    const frame = stack.at(-1);
    if (found === '{' || found === '[') {
      stack.push({ path: frame === undefined ? '' : child(frame), keys: found === '{' ? new Set() : undefined, index: 0, key: '' });
      expectsKey = found === '{';
    } else if (found === '}' || found === ']') {
      stack.pop();
      expectsKey = false;
    } else if (found === ',' && frame !== undefined) {
      frame.index++;
      expectsKey = frame.keys !== undefined;
    } else if (expectsKey && frame?.keys !== undefined) {
      frame.key = JSON.parse(found) as string;
      if (frame.keys.has(frame.key)) duplicates.push(child(frame));
      frame.keys.add(frame.key);
      expectsKey = false;
    }
  }
  return duplicates;
}
