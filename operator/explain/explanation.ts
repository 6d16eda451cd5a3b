/**
 * What `why` answers: one sentence, what it rests on, and what somebody can do. Data first, so that a program reads the same that a person
 * does; the text form is made here too. Pure.
 */

export interface Section {
  /** Absent: it follows the headline. */
  readonly title?: string;
  readonly lines: readonly string[];
}

export interface Explanation {
  readonly kind: 'ProwJob' | 'Periodic';
  readonly namespace: string;
  readonly name: string;
  /** One word for programs: a reason of the API where there is one, such as QueueFull, Evicted or Suspended. */
  readonly code: string;
  /** One sentence. */
  readonly headline: string;
  readonly sections: readonly Section[];
  /** What can be done, the most useful first. Never empty: "nothing" is an answer too. */
  readonly actions: readonly string[];
  /** What could not be read and would have told more. */
  readonly unread: readonly string[];
}

/** A part of an explanation, as the modules for single cases give it. */
export interface Finding {
  readonly code: string;
  readonly headline: string;
  readonly lines: readonly string[];
  readonly sections?: readonly Section[];
  readonly actions: readonly string[];
}

/** Ends with a line break. */
export function explanationText({ kind, namespace, name, headline, sections, actions, unread }: Explanation): string {
  const parts = [
    [`${kind} ${namespace}/${name}`, headline],
    ...sections
      .filter(({ lines }) => lines.length > 0)
      .map(({ title, lines }) => [...(title === undefined ? [] : [title]), ...indented(lines)]),
    ['What you can do', ...actions.flatMap((action) => bullet(action))],
    ...(unread.length === 0 ? [] : [['Not known', ...unread.flatMap((line) => bullet(line))]]),
  ];
  return `${parts.map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

const indented = (lines: readonly string[]): readonly string[] => lines.map((line) => (line === '' ? '' : `  ${line}`));

function bullet(text: string): readonly string[] {
  const [first = '', ...rest] = text.split('\n');
  return [`  - ${first}`, ...rest.map((line) => `    ${line}`)];
}
