/** apiserver_request_total with the labels and the verbs that kube-apiserver uses, in the text form of Prometheus. */
import type { Call } from './call.ts';

export class RequestMetrics {
  readonly #counts = new Map<string, number>();

  count(call: Call): void {
    const { target } = call;
    const scope =
      target === undefined ? '' : target.name !== undefined ? 'resource' : target.namespace !== undefined ? 'namespace' : 'cluster';
    const labels = {
      code: String(call.response.statusCode),
      component: 'apiserver',
      dry_run: call.query.get('dryRun') ?? '',
      group: target?.info.group ?? '',
      resource: target?.info.plural ?? '',
      scope,
      subresource: target?.subresource ?? (target === undefined ? call.path : ''),
      verb: call.verb,
      version: target?.info.version ?? '',
    };
    const text = Object.entries(labels)
      .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
      .join(',');
    this.#counts.set(text, (this.#counts.get(text) ?? 0) + 1);
  }

  text(): string {
    const lines = [...this.#counts].map(([labels, value]) => `apiserver_request_total{${labels}} ${value}`);
    return ['# HELP apiserver_request_total Counter of apiserver requests.', '# TYPE apiserver_request_total counter', ...lines, ''].join(
      '\n',
    );
  }
}
