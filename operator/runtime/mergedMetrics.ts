/** Several registries as one page: that of the process, and one for each part that comes and goes and tells its series apart by labels. */
import type { Metrics } from './metrics.ts';

interface Block {
  readonly head: string;
  readonly series: string[];
}

export class MergedMetrics {
  readonly #all = new Set<Metrics>();

  constructor(own: Metrics) {
    this.#all.add(own);
  }

  /** Shows these as well. Returns how to end that. */
  add(part: Metrics): () => void {
    this.#all.add(part);
    return () => {
      this.#all.delete(part);
    };
  }

  /** The exposition text and its content type. All series of a metric stand together, as the format demands. */
  async render(): Promise<{ readonly contentType: string; readonly body: string }> {
    const pages = await Promise.all([...this.#all].map((each) => each.render()));
    const blocks = new Map<string, Block>();
    for (const { body } of pages) {
      for (const text of body.split(/^(?=# HELP )/m)) {
        const [help = '', type = '', ...series] = text.trimEnd().split('\n');
        const name = help.split(' ', 3)[2] ?? '';
        const block = blocks.get(name) ?? { head: `${help}\n${type}`, series: [] };
        block.series.push(...series);
        blocks.set(name, block);
      }
    }
    const body = [...blocks.values()].map(({ head, series }) => [head, ...series].join('\n')).join('\n\n');
    return { contentType: pages[0]?.contentType ?? 'text/plain', body: `${body}\n` };
  }
}
