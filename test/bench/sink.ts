import { randomUUID } from 'node:crypto';
import { createWriteStream, mkdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';

/**
 * `node sink.ts discard [late ms] | check | keep <directory>`: an S3 endpoint on loopback that lets go of what it gets, a process of
 * its own so that its work is nobody's who is measured. Writes its address as one line of JSON, and answers
 * `GET /_counts` with `Counts`. It speaks what the runner, `aws s3 cp` and `rclone rcat` say: PutObject, multipart
 * uploads, HEAD. Signatures are not verified. `discard` may answer each put late, `check` compares each object with its
 * CRC32 header, `keep` writes objects below the directory and gives ranges of them. For a restore it also answers as the
 * broker does: with credentials that nobody verifies.
 */
export type Counts = {
  /** Objects and parts that were stored, and their bytes without the framing of aws-chunked. */
  puts: number;
  bytes: number;
  /** Objects whose CRC32 header was compared, and those that differed. */
  checked: number;
  damaged: number;
  /** Bytes of volumes that were given. */
  given: number;
};

const [mode = 'discard', detail = ''] = process.argv.slice(2);
const counts: Counts = { puts: 0, bytes: 0, checked: 0, damaged: 0, given: 0 };
/** Bytes by key, of an object's parts together; a rival asks for it afterwards. */
const sizes = new Map<string, number>();
const etag = '"00000000000000000000000000000000-1"';

const xml = (response: ServerResponse, body: string) => {
  response.writeHead(200, { 'content-type': 'application/xml' });
  response.end(`<?xml version="1.0" encoding="UTF-8"?>\n${body}`);
};

const base64Of = (crc: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc);
  return bytes.toString('base64');
};

/** Takes the body; answers how many bytes the object has. */
async function take(request: IncomingMessage, key: string): Promise<number> {
  const decoded = request.headers['x-amz-decoded-content-length'];
  if (mode === 'keep') {
    const file = join(detail, key);
    mkdirSync(join(file, '..'), { recursive: true });
    await pipeline(request, createWriteStream(file));
    return Number(request.headers['content-length']);
  }
  let bytes = 0;
  let crc = 0;
  const checks = mode === 'check' && request.headers['x-amz-checksum-crc32'] !== undefined;
  await new Promise<void>((resolve, reject) => {
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (checks) crc = crc32(chunk, crc);
    });
    request.once('end', resolve);
    request.once('error', reject);
  });
  if (checks) {
    counts.checked += 1;
    if (base64Of(crc) !== request.headers['x-amz-checksum-crc32']) counts.damaged += 1;
  }
  return decoded === undefined ? bytes : Number(decoded);
}

/** Gives a range of a kept object, all of it without one. */
async function give(request: IncomingMessage, response: ServerResponse, key: string): Promise<void> {
  const file = await open(join(detail, key));
  try {
    const { size } = await file.stat();
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    const from = Number(range?.[1] ?? 0);
    const bytes = Buffer.allocUnsafe(Math.min(Number(range?.[2] ?? size - 1) + 1, size) - from);
    await file.read(bytes, 0, bytes.length, from);
    if (key.includes('/volumes/')) counts.given += bytes.length;
    response.writeHead(range ? 206 : 200, { 'content-length': bytes.length });
    response.end(bytes);
  } finally {
    await file.close();
  }
}

const granted = {
  outcome: 'granted',
  accessKeyId: 'bench',
  secretAccessKey: 'bench',
  sessionToken: 'bench',
  expiration: new Date(Date.now() + 3_600_000).toISOString(),
};

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://sink');
  const upload = url.searchParams.get('uploadId');
  const [, bucket = '', ...rest] = url.pathname.split('/');
  const key = rest.join('/');
  if (url.pathname === '/_counts') {
    response.end(JSON.stringify(counts));
  } else if (request.method === 'PUT') {
    const bytes = await take(request, key);
    counts.bytes += bytes;
    counts.puts += 1;
    sizes.set(key, (sizes.get(key) ?? 0) + bytes);
    if (mode === 'discard' && detail !== '') await sleep(Number(detail));
    const crc = request.headers['x-amz-checksum-crc32'];
    response.writeHead(200, {
      etag,
      ...(upload === null ? { 'x-amz-version-id': randomUUID() } : {}),
      ...(typeof crc === 'string' ? { 'x-amz-checksum-crc32': crc } : {}),
    });
    response.end();
  } else if (request.method === 'POST' && url.searchParams.has('uploads')) {
    sizes.delete(key);
    const of = `<Bucket>${bucket}</Bucket><Key>${key}</Key><UploadId>${randomUUID()}</UploadId>`;
    xml(response, `<InitiateMultipartUploadResult>${of}</InitiateMultipartUploadResult>`);
  } else if (request.method === 'POST' && upload !== null) {
    for await (const _ of request);
    const of = `<Bucket>${bucket}</Bucket><Key>${key}</Key><ETag>${etag}</ETag>`;
    xml(response, `<CompleteMultipartUploadResult>${of}</CompleteMultipartUploadResult>`);
  } else if (url.pathname.endsWith('/invocations')) {
    response.end(JSON.stringify(granted));
  } else if (request.method === 'GET' && mode === 'keep') {
    await give(request, response, key);
  } else if (request.method === 'HEAD') {
    const size = sizes.get(key) ?? 0;
    response.writeHead(200, { etag, 'content-length': size, 'last-modified': new Date().toUTCString() });
    response.end();
  } else {
    response.writeHead(501);
    response.end();
  }
}

const server = createServer((request, response) => {
  serve(request, response).catch(() => request.socket.destroy());
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(
    `${JSON.stringify({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })}\n`,
  );
});
