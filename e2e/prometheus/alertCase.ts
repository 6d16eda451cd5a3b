/**
 * When each alert fires and when it does not, as series a minute apart in promtool's notation. Every alert of the chart has at least one
 * row of each kind. The texts are those a person gets, so a template that does not work is seen.
 */

export interface AlertCase {
  readonly alert: string;
  /** What the case shows. */
  readonly when: string;
  /** Series without the labels of the target, to the values they have minute by minute. */
  readonly series: Readonly<Record<string, string>>;
  /** When it is looked at, such as 10m. */
  readonly at: string;
  /** What fires; nothing when there is none. */
  readonly fires: readonly Firing[];
}

export interface Firing {
  /** Beyond job, namespace and severity; an empty value takes one of them away. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly summary: string;
  readonly description: string;
}

/** For rows of the second kind. */
export const quiet: readonly Firing[] = [];
