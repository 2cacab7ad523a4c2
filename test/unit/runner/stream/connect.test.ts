import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTlsServer, getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore, type Store } from '../../../../runner/stream/store.ts';
import { fixedCredentials, impatient, noise, withCrc } from './at-double.ts';

/** A key and a certificate for 127.0.0.1, made for this run. */
function makeCertificate() {
  const directory = mkdtempSync(join(tmpdir(), 'certificate-'));
  const [key, cert] = [join(directory, 'key'), join(directory, 'cert')];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const subject = ['-subj', '/CN=store', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const files = ['-keyout', key, '-out', cert];
  execFileSync('openssl', ['req', '-x509', ...kind, ...files, ...subject], { stdio: 'ignore' });
  const made = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  rmSync(directory, { recursive: true });
  return made;
}

/** What a server says to one request, in the pieces in which it says it. */
type Pieces = (Buffer | string)[];

/** A server that has no HTTP of its own: it reads a request to its end and writes the pieces, one by one. */
async function startServer(kind: 'plain' | 'tls', answer: () => Pieces) {
  const connections: Socket[] = [];
  const onConnection = (socket: Socket) => {
    connections.push(socket);
    let request = '';
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', async (bytes: Buffer) => {
      request += bytes.toString('latin1');
      const body = request.indexOf('\r\n\r\n') + 4;
      const due = Number(/content-length: (\d+)/i.exec(request)?.[1] ?? 0);
      if (body < 4 || request.length < body + due) return;
      request = '';
      for (const piece of answer()) {
        socket.write(piece);
        await sleep(1);
      }
    });
  };
  let server: ReturnType<typeof createServer>;
  if (kind === 'plain') server = createServer(onConnection);
  else {
    const made = makeCertificate();
    setDefaultCACertificates([...getCACertificates('default'), made.cert]);
    server = createTlsServer(made, onConnection);
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `${kind === 'tls' ? 'https' : 'http'}://127.0.0.1:${port}`,
    connections,
    stop: () => {
      for (const socket of connections) socket.destroy();
      server.close();
    },
  };
}

/** `text` in pieces that end at `cuts`. */
const cutAt = (text: string, ...cuts: number[]): string[] =>
  [...cuts, text.length].map((end, n) => text.slice(n === 0 ? 0 : cuts[n - 1], end));

describe.each(['plain', 'tls'] as const)('a connection that reads into one buffer (%s)', (kind) => {
  let next: () => Pieces = () => [];
  let server: Awaited<ReturnType<typeof startServer>>;
  let store: Store;
  beforeEach(async () => {
    server = await startServer(kind, () => next());
    store = openStore({
      bucket: 'vault',
      region: 'eu-west-1',
      credentials: fixedCredentials,
      connections: 1,
      env: { AWS_ENDPOINT_URL: server.url },
      log: () => {},
      patience: impatient,
    });
  });
  afterEach(async () => {
    await store.close();
    server.stop();
  });

  it('keeps headers whole that come in two reads, wherever they are cut', async () => {
    const answer = 'HTTP/1.1 200 OK\r\nx-amz-version-id: the-version\r\ncontent-length: 0\r\n\r\n';
    for (let cut = 1; cut < answer.length; cut += 1) {
      next = () => cutAt(answer, cut);
      expect(await store.putObject(withCrc(`key-${cut}`, noise(100)))).toEqual({ versionId: 'the-version' });
    }
    expect(server.connections).toHaveLength(1);
  });

  it('keeps headers whole that are nearly as long as they may be and come in many reads', async () => {
    const long = `HTTP/1.1 200 OK\r\nx-filler: ${'f'.repeat(15_000)}\r\nx-amz-version-id: the-version\r\ncontent-length: 0\r\n\r\n`;
    next = () => cutAt(long, 20, 9000, 15_030, 15_040, 15_050);
    expect(await store.putObject(withCrc('key', noise(100)))).toEqual({ versionId: 'the-version' });
  });

  it('gives the bytes of body after body over one connection, however they come', async () => {
    const body = noise(3_000_000);
    const head = `HTTP/1.1 206 Partial Content\r\ncontent-length: ${body.length}\r\n\r\n`;
    const ways: Pieces[] = [
      [Buffer.concat([Buffer.from(head), body])],
      [head, body.subarray(0, 20_000), body.subarray(20_000, 20_001), body.subarray(20_001)],
      [head.slice(0, 30), head.slice(30), ...[0, 1, 2].map((n) => body.subarray(n * 1e6, (n + 1) * 1e6))],
    ];
    for (const pieces of ways) {
      next = () => pieces;
      const into = Buffer.alloc(body.length);
      await store.getObject({ key: 'key', from: 0, into });
      expect(into.equals(body)).toBe(true);
    }
    expect(server.connections).toHaveLength(1);
  });

  it('reads the whole text of a refusal that comes in pieces', async () => {
    const text = `<Error><Code>AccessDenied</Code><Message>${'no '.repeat(9000)}</Message></Error>`;
    const head = `HTTP/1.1 403 Forbidden\r\ncontent-length: ${text.length}\r\n\r\n`;
    next = () => [head, ...cutAt(text, 7, 20_000)];
    await expect(store.getObject({ key: 'key', from: 0, into: Buffer.alloc(10) })).rejects.toMatchObject({
      name: 'Store.Denied',
      message: expect.stringContaining('403 AccessDenied'),
    });
  });

  it('goes on at the byte where the other side closed the connection', async () => {
    const body = noise(200_000);
    let gets = 0;
    next = () => {
      gets += 1;
      const left = gets === 1 ? body : body.subarray(100_000);
      const head = `HTTP/1.1 206 Partial Content\r\ncontent-length: ${left.length}\r\n\r\n`;
      if (gets > 1) return [head, left];
      setTimeout(() => server.connections.at(-1)!.end(), 10);
      return [head, left.subarray(0, 100_000)];
    };
    const into = Buffer.alloc(body.length);
    await store.getObject({ key: 'key', from: 0, into });
    expect(into.equals(body)).toBe(true);
    expect([gets, server.connections.length]).toEqual([2, 2]);
  });
});
