/** What a PromQL expression names, found by reading it: good enough for the expressions of this repository, which a test holds to the rules. */

const words = /[a-zA-Z_:][a-zA-Z0-9_:]*/g;
const keywords = new Set([
  'by',
  'without',
  'on',
  'ignoring',
  'group_left',
  'group_right',
  'or',
  'and',
  'unless',
  'offset',
  'bool',
  'vector',
  'absent',
  'time',
]);
const lists = /\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)/g;

export interface Names {
  readonly metrics: readonly string[];
  /** Labels, whether selected or grouped by. */
  readonly labels: readonly string[];
}

/** Metrics and labels that the expression names. */
export function namesIn(expr: string): Names {
  const selected = [...expr.matchAll(/\{([^}]*)\}/g)].flatMap(([, inside = '']) =>
    [...inside.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
  );
  const grouped = [...expr.matchAll(lists)].flatMap(([, , inside = '']) => inside.split(',').map((label) => label.trim()));
  const rest = expr
    .replaceAll(/\{[^}]*\}/g, '')
    .replaceAll(lists, ' ')
    .replaceAll(/\[[^\]]*\]/g, '')
    .replaceAll(/offset\s+\w+/g, '')
    .replaceAll(/"[^"]*"/g, '');
  const metrics = [...rest.matchAll(words)].filter(
    (match) => !keywords.has(match[0]) && !/^\s*\(/.test(rest.slice(match.index + match[0].length)),
  );
  return {
    metrics: [...new Set(metrics.map(([name]) => name))],
    labels: [...new Set([...selected, ...grouped])].filter((label) => label !== ''),
  };
}
