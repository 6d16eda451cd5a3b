/** One request and its answer: what the handlers pass along, and the three forms in which everything is answered. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ApiFailure } from './failure.ts';
import type { RequestInfo } from './requestInfo.ts';

/** One request on its way through the handlers. */
export interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Warning headers to send with the answer. */
  readonly warnings: string[];
  /** What the request counts as. */
  verb: string;
  target?: RequestInfo;
}

export function sendJson(call: Call, code: number, text: string): void {
  const { response } = call;
  if (response.headersSent || response.destroyed) return void response.end();
  if (!response.hasHeader('content-type')) response.setHeader('content-type', 'application/json');
  if (call.warnings.length > 0)
    response.setHeader(
      'warning',
      call.warnings.map((text) => `299 - ${JSON.stringify(text)}`),
    );
  response.statusCode = code;
  response.setHeader('content-length', Buffer.byteLength(text));
  response.end(text);
}

export function sendText(call: Call, text: string): void {
  call.response.setHeader('content-type', 'text/plain; charset=utf-8');
  call.response.end(text);
}

export function sendFailure(call: Call, failure: ApiFailure): void {
  const retry = failure.status.details?.retryAfterSeconds;
  if (!call.response.headersSent) {
    call.response.setHeader('content-type', 'application/json');
    if (retry !== undefined) call.response.setHeader('retry-after', String(retry));
  }
  sendJson(call, failure.code, JSON.stringify(failure.status));
}
