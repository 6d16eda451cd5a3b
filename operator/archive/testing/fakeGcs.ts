/**
 * As much of the JSON API of Google Cloud Storage as the store uses: objects with generations, simple and resumable uploads, preconditions. Written
 * from the API's documentation; it is no proof that Google agrees.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

interface StoredBlob {
  readonly body: Buffer;
  readonly generation: number;
  readonly contentType: string;
  readonly metadata: unknown;
}

interface Session {
  readonly name: string;
  readonly match: string | null;
  readonly described: { readonly contentType?: string; readonly metadata?: unknown };
  readonly parts: Buffer[];
}

export class FakeGcs {
  readonly objects = new Map<string, StoredBlob>();
  /** The bucket that exists. */
  readonly bucket: string;
  readonly #server: Server;
  readonly #sessions = new Map<string, Session>();
  #generation = 1000;

  private constructor(server: Server, bucket: string) {
    this.#server = server;
    this.bucket = bucket;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      void this.#answer(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
  }

  static async start(bucket: string): Promise<FakeGcs> {
    const server = createServer();
    const fake = new FakeGcs(server, bucket);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', this.url);
    const body = await buffer(request);
    const [, bucket = '', object = ''] = /^(?:\/upload)?\/storage\/v1\/b\/([^/]+)\/o(?:\/(.+))?$/.exec(url.pathname) ?? [];
    if (bucket !== this.bucket) {
      refuse(response, 404, 'The specified bucket does not exist.');
      return;
    }
    const session = url.searchParams.get('upload_id');
    if (session !== null) {
      this.#resume(session, request, body, response);
      return;
    }
    if (request.method === 'POST') {
      this.#begin(url, request, body, response);
      return;
    }
    const found = this.objects.get(decodeURIComponent(object));
    const generation = url.searchParams.get('generation');
    if (found === undefined || (generation !== null && Number(generation) !== found.generation)) {
      refuse(response, 404, `No such object: ${bucket}/${decodeURIComponent(object)}`);
      return;
    }
    if (url.searchParams.get('alt') === 'media') {
      response.writeHead(200, {
        'content-type': found.contentType,
        'x-goog-hash': `crc32c=${crc32c(found.body)}`,
        'content-length': found.body.length,
      });
      response.end(found.body);
    } else this.#describe(decodeURIComponent(object), found, response);
  }

  #begin(url: URL, request: IncomingMessage, body: Buffer, response: ServerResponse): void {
    const match = url.searchParams.get('ifGenerationMatch');
    if (url.searchParams.get('uploadType') === 'resumable') {
      const described = JSON.parse(body.toString() || '{}') as Session['described'] & { readonly name?: string };
      const type = request.headers['x-upload-content-type'];
      const id = `session-${this.#sessions.size}`;
      this.#sessions.set(id, {
        name: url.searchParams.get('name') ?? described.name ?? '',
        match,
        described: typeof type === 'string' ? { ...described, contentType: type } : described,
        parts: [],
      });
      response.writeHead(200, { location: `${this.url}${url.pathname}?upload_id=${id}` }).end();
      return;
    }
    const { name, described, content } = readMultipart(request.headers['content-type'] ?? '', body);
    this.#store(url.searchParams.get('name') ?? name, content, described, match, response);
  }

  #resume(id: string, request: IncomingMessage, body: Buffer, response: ServerResponse): void {
    const session = this.#sessions.get(id);
    if (session === undefined) {
      refuse(response, 404, 'No such upload');
      return;
    }
    if (request.method === 'DELETE') {
      this.#sessions.delete(id);
      response.writeHead(499).end();
      return;
    }
    session.parts.push(body);
    const received = session.parts.reduce((sum, part) => sum + part.length, 0);
    const total = /\/(\d+)$/.exec(request.headers['content-range'] ?? '')?.[1];
    if (request.headers['content-range'] === undefined || Number(total) === received) {
      this.#store(session.name, Buffer.concat(session.parts), session.described, session.match, response);
      return;
    }
    response.writeHead(308, received === 0 ? {} : { range: `bytes=0-${received - 1}` }).end();
  }

  #store(name: string, body: Buffer, described: Session['described'], match: string | null, response: ServerResponse): void {
    const present = this.objects.get(name)?.generation ?? 0;
    if (match !== null && Number(match) !== present) {
      refuse(response, 412, 'At least one of the pre-conditions you specified did not hold.');
      return;
    }
    this.#generation += 1;
    const { contentType = 'application/octet-stream', metadata } = described;
    const stored = { body, generation: this.#generation, contentType, metadata };
    this.objects.set(name, stored);
    this.#describe(name, stored, response);
  }

  #describe(name: string, { body, generation, contentType, metadata }: StoredBlob, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({ name, size: String(body.length), generation: String(generation), contentType, metadata, crc32c: crc32c(body) }),
    );
  }
}

function refuse(response: ServerResponse, code: number, message: string): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ error: { code, message, errors: [{ message, reason: 'x' }] } }));
}

/** multipart/related: a description as JSON, then the bytes. */
function readMultipart(contentType: string, body: Buffer): { name: string; described: Session['described']; content: Buffer } {
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1] ?? '';
  const mark = Buffer.from(`--${boundary}`);
  const parts: Buffer[] = [];
  for (let from = body.indexOf(mark); from >= 0;) {
    const next = body.indexOf(mark, from + mark.length);
    if (next >= 0) parts.push(body.subarray(from + mark.length, next));
    from = next;
  }
  const contentOf = (part: Buffer): Buffer => part.subarray(part.indexOf('\r\n\r\n') + 4, part.length - 2);
  const described = JSON.parse(contentOf(parts[0] ?? Buffer.alloc(0)).toString()) as Session['described'] & { readonly name?: string };
  return { name: described.name ?? '', described, content: contentOf(parts[1] ?? Buffer.alloc(0)) };
}

const castagnoli = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value >>> 0;
});

/** As the API writes it: big endian, base64. */
function crc32c(bytes: Buffer): string {
  let value = 0xffffffff;
  for (const byte of bytes) value = (castagnoli[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8);
  const out = Buffer.alloc(4);
  out.writeUInt32BE((value ^ 0xffffffff) >>> 0);
  return out.toString('base64');
}
