import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { crc32 } from 'node:zlib';

/** What goes wrong with a request. */
export type Fault = {
  method: 'PUT' | 'GET';
  /** How many requests it hits; then it is over. */
  times: number;
  key?: RegExp;
  kind:
    | { do: 'answer'; status: number; code: string; headers?: Record<string, string>; body?: string }
    /** Answers before the body has come and closes, as S3 does when it refuses. */
    | { do: 'answer-early'; status: number; code: string }
    /** Breaks the connection after this many bytes of the body, of the request or of the answer. */
    | { do: 'reset-mid-body'; after: number }
    /** Stores the object, then breaks the connection without an answer. */
    | { do: 'lose-answer' }
    /** Turns one bit of the body, of the request or of the answer. */
    | { do: 'damage' }
    /** Sends the whole object whatever range was asked for. */
    | { do: 'ignore-range' }
    /** Never answers. */
    | { do: 'stall' };
};

export type StoredObject = { bytes: Buffer; crc: string; version: string };
export type SeenRequest = {
  method: string;
  key: string;
  headers: IncomingMessage['headers'];
  status: number;
};

/**
 * An S3 endpoint on loopback with path-style addresses and one level of truth: conditional puts, CRC32 checks,
 * versions and ranged gets as S3 does them, and faults on demand.
 */
export async function startS3Server() {
  const objects = new Map<string, StoredObject>();
  const seen: SeenRequest[] = [];
  const faults: Fault[] = [];
  let running = 0;
  let mostRunning = 0;

  const faultFor = (method: string, key: string) => {
    const fault = faults.find((f) => f.method === method && f.times > 0 && (f.key?.test(key) ?? true));
    if (fault) fault.times -= 1;
    return fault?.kind;
  };

  const refuse = (
    response: ServerResponse,
    status: number,
    code: string,
    more: { headers?: Record<string, string>; body?: string } = {},
  ) => {
    response.writeHead(status, { 'content-type': 'application/xml', ...more.headers });
    response.end(
      `<?xml version="1.0"?><Error><Code>${code}</Code><Message>told so</Message>${more.body ?? ''}</Error>`,
    );
    return status;
  };

  const put = async (key: string, request: IncomingMessage, response: ServerResponse): Promise<number> => {
    const fault = faultFor('PUT', key);
    if (fault?.do === 'answer-early') {
      refuse(response, fault.status, fault.code, { headers: { connection: 'close' } });
      return fault.status;
    }
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (fault?.do === 'reset-mid-body' && length >= fault.after) {
        request.socket.resetAndDestroy();
        return 0;
      }
    }
    if (fault?.do === 'stall') return 0;
    if (fault?.do === 'answer') return refuse(response, fault.status, fault.code, fault);
    const bytes = Buffer.concat(chunks);
    if (fault?.do === 'damage') bytes[bytes.length >> 1]! ^= 1;
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(bytes));
    const crc = sum.toString('base64');
    if (request.headers['x-amz-checksum-crc32'] !== crc) return refuse(response, 400, 'BadDigest');
    if (request.headers['if-none-match'] === '*' && objects.has(key))
      return refuse(response, 412, 'PreconditionFailed');
    const version = randomUUID();
    objects.set(key, { bytes, crc, version });
    if (fault?.do === 'lose-answer') {
      request.socket.resetAndDestroy();
      return 0;
    }
    response.writeHead(200, { 'x-amz-version-id': version, 'x-amz-checksum-crc32': crc, etag: '"x"' });
    response.end();
    return 200;
  };

  const get = async (key: string, url: URL, request: IncomingMessage, response: ServerResponse) => {
    const fault = faultFor('GET', key);
    if (fault?.do === 'stall') return 0;
    if (fault?.do === 'answer' || fault?.do === 'answer-early')
      return refuse(response, fault.status, fault.code, 'headers' in fault ? fault : {});
    const object = objects.get(key);
    if (object === undefined) return refuse(response, 404, 'NoSuchKey');
    const version = url.searchParams.get('versionId');
    if (version !== null && version !== object.version) return refuse(response, 404, 'NoSuchVersion');
    const asked = fault?.do === 'ignore-range' ? undefined : request.headers.range;
    const range = /^bytes=(\d+)-(\d+)$/.exec(asked ?? '');
    const from = range ? Number(range[1]) : 0;
    const to = range ? Math.min(Number(range[2]) + 1, object.bytes.length) : object.bytes.length;
    if (from >= object.bytes.length) return refuse(response, 416, 'InvalidRange');
    const bytes = Buffer.from(object.bytes.subarray(from, to));
    if (fault?.do === 'damage') bytes[bytes.length >> 1]! ^= 1;
    const headers = {
      'content-length': String(bytes.length),
      ...(range ? { 'content-range': `bytes ${from}-${to - 1}/${object.bytes.length}` } : {}),
    };
    response.writeHead(range ? 206 : 200, headers);
    if (fault?.do === 'reset-mid-body') {
      response.write(bytes.subarray(0, fault.after), () =>
        setTimeout(() => request.socket.resetAndDestroy(), 10),
      );
      return 0;
    }
    response.end(bytes);
    return range ? 206 : 200;
  };

  const server = createServer(async (request, response) => {
    running += 1;
    mostRunning = Math.max(mostRunning, running);
    const url = new URL(request.url ?? '/', 'http://double');
    const key = url.pathname.split('/').slice(2).join('/');
    const entry: SeenRequest = { method: request.method ?? '', key, headers: request.headers, status: 0 };
    seen.push(entry);
    try {
      entry.status =
        request.method === 'PUT' ? await put(key, request, response) : await get(key, url, request, response);
    } catch {
      // The client broke the connection.
    } finally {
      running -= 1;
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    url,
    objects,
    seen,
    /** The most requests that ran at the same time so far. */
    mostRunning: () => mostRunning,
    faults,
    fault: (fault: Fault) => void faults.push(fault),
    stop: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

export type S3Server = Awaited<ReturnType<typeof startS3Server>>;
