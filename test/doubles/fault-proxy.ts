import { createServer, type IncomingMessage, type ServerResponse, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { crc32 } from 'node:zlib';

/** A request as the proxy sees it; `number` counts from 1. */
export type ProxiedRequest = {
  number: number;
  method: string;
  /** As it was sent: path and query. */
  path: string;
  headers: IncomingMessage['headers'];
};

/** What goes wrong. `answer` is S3's XML unless it brings a body of its own. */
export type FaultKind =
  | { do: 'answer'; status: number; code: string; headers?: Record<string, string>; xml?: string }
  /** Closes the connection before anything is read. */
  | { do: 'refuse' }
  /** Breaks the connection after so many bytes of the request's body; nothing of it goes on. */
  | { do: 'reset-mid-request'; after: number }
  /** Breaks the connection after so many bytes of the answer's body. */
  | { do: 'reset-mid-answer'; after: number }
  /** The request is done, the answer never comes back. */
  | { do: 'lose-answer' }
  /** Turns one bit of the request's body on its way. */
  | { do: 'damage' }
  /** Turns one bit and makes the checksum fit, so that the store keeps something else than was sent and nobody is told. */
  | { do: 'damage-silently' }
  /** Turns one bit of the answer's body. */
  | { do: 'damage-answer' }
  /** Neither goes on nor answers. */
  | { do: 'hang' }
  /** Goes on as it is: what is at fault lies in the store already, and this is where it is met. */
  | { do: 'pass' };

export type Planned = {
  when: (request: ProxiedRequest) => boolean;
  /** How many requests it strikes; every one that fits unless told. */
  times?: number;
  kind: FaultKind;
  /** Called by the proxy where the fault strikes. */
  struck: (request: ProxiedRequest) => void;
};

type Sent = { status: number; headers: IncomingMessage['headers']; body: Buffer };

const readAll = async (stream: AsyncIterable<Buffer>) => {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
};

const crcOf = (bytes: Buffer) => {
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(bytes));
  return sum.toString('base64');
};

const turned = (bytes: Buffer) => {
  const copy = Buffer.from(bytes);
  if (copy.length > 0) copy[copy.length >> 1]! ^= 1;
  return copy;
};

/** Region of the credential scope that a request was signed for. */
const signedRegion = ({ headers }: ProxiedRequest) =>
  /Credential=[^/]+\/\d{8}\/([^/]+)\//.exec(headers.authorization ?? '')?.[1];

/** A copy that must not overwrite. */
export const isConditionalCopy = ({ method, headers }: ProxiedRequest) =>
  method === 'PUT' && headers['x-amz-copy-source'] !== undefined && headers['if-none-match'] !== undefined;

/** Requests that were signed for another region than the bucket's. */
export const isSignedElsewhere = (region: string) => (request: ProxiedRequest) =>
  (signedRegion(request) ?? region) !== region;

/** What S3 says at an endpoint of another region than the bucket's. */
export const permanentRedirect = (region: string): FaultKind => ({
  do: 'answer',
  status: 301,
  code: 'PermanentRedirect',
  headers: { 'x-amz-bucket-region': region },
});

/** What S3 says at the bucket's own endpoint to a signature for another region. */
export const malformedScope = (region: string): FaultKind => ({
  do: 'answer',
  status: 400,
  code: 'AuthorizationHeaderMalformed',
  headers: { 'x-amz-bucket-region': region },
  xml: `<Region>${region}</Region>`,
});

/**
 * Stands on loopback between a client and a service over plain HTTP: passes everything on, and does to the requests
 * of its plan what networks and stores do. Bodies are held as a whole, so it is for small ones.
 */
export async function startFaultProxy(target: string) {
  const { hostname, port } = new URL(target);
  const plan: (Planned & { left: number })[] = [];
  const seen: ProxiedRequest[] = [];

  const pass = async (request: IncomingMessage, body: Buffer): Promise<Sent> => {
    const { promise, resolve, reject } = Promise.withResolvers<Sent>();
    const { method, headers, url } = request;
    send({ hostname, port, path: url, method, headers, agent: false }, async (answer) => {
      resolve({
        status: answer.statusCode ?? 502,
        headers: answer.headers,
        body: await readAll(answer),
      });
    })
      .once('error', reject)
      .end(body);
    return promise;
  };

  const reply = (response: ServerResponse, { status, headers, body }: Sent) => {
    const { 'transfer-encoding': _, ...rest } = headers;
    response.writeHead(status, rest);
    response.end(body);
  };

  const answerWith = (response: ServerResponse, fault: Extract<FaultKind, { do: 'answer' }>) => {
    const { status, code, headers, xml = '' } = fault;
    response.writeHead(status, { 'content-type': 'application/xml', connection: 'close', ...headers });
    response.end(
      `<?xml version="1.0"?><Error><Code>${code}</Code><Message>as planned</Message>${xml}</Error>`,
    );
  };

  const strike = async (
    fault: FaultKind,
    request: IncomingMessage,
    response: ServerResponse,
    struck: () => void,
  ): Promise<void> => {
    const { socket } = request;
    switch (fault.do) {
      case 'refuse':
        struck();
        socket.resetAndDestroy();
        return;
      case 'reset-mid-request': {
        let bytes = 0;
        for await (const chunk of request as AsyncIterable<Buffer>) {
          bytes += chunk.length;
          if (bytes < fault.after) continue;
          struck();
          socket.resetAndDestroy();
          return;
        }
        throw new Error(`the body has ${bytes} bytes: there is no byte ${fault.after} to break at`);
      }
      case 'hang':
        struck();
        await readAll(request);
        return;
      case 'answer':
        await readAll(request);
        struck();
        answerWith(response, fault);
        return;
    }
    let body = await readAll(request);
    if (fault.do === 'damage' || fault.do === 'damage-silently') {
      body = turned(body);
      if (fault.do === 'damage-silently') request.headers['x-amz-checksum-crc32'] = crcOf(body);
      struck();
    }
    if (fault.do === 'pass') struck();
    const sent = await pass(request, body);
    switch (fault.do) {
      case 'lose-answer':
        if (sent.status >= 300) throw new Error(`there was no success to lose: ${sent.status}`);
        struck();
        socket.resetAndDestroy();
        return;
      case 'reset-mid-answer':
        struck();
        response.writeHead(sent.status, sent.headers);
        response.write(sent.body.subarray(0, fault.after), () =>
          setTimeout(() => socket.resetAndDestroy(), 10),
        );
        return;
      case 'damage-answer':
        struck();
        reply(response, { ...sent, body: turned(sent.body) });
        return;
      case 'damage-silently':
        // The store would tell the checksum of what it keeps; many answer without one.
        delete sent.headers['x-amz-checksum-crc32'];
        reply(response, sent);
        return;
      default:
        reply(response, sent);
    }
  };

  const server = createServer(async (request, response) => {
    const { method = '', url: path = '', headers } = request;
    const entry: ProxiedRequest = { number: seen.length + 1, method, path, headers: { ...headers } };
    seen.push(entry);
    const fault = plan.find((p) => p.left > 0 && p.when(entry));
    if (fault) fault.left -= 1;
    try {
      if (fault) await strike(fault.kind, request, response, () => fault.struck(entry));
      else reply(response, await pass(request, await readAll(request)));
    } catch {
      // The client or the service has broken the connection, or the fault could not strike: the client sees a reset.
      request.socket.destroy();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    plan: (planned: Planned) =>
      void plan.push({ ...planned, left: planned.times ?? Number.POSITIVE_INFINITY }),
    /** From now on everything passes. */
    clear: () => void plan.splice(0),
    stop: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

export type FaultProxy = Awaited<ReturnType<typeof startFaultProxy>>;
