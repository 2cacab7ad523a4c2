import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { LocalHost } from './host.ts';
import { assumeHostRole, type HostIdentity, mayHaveCredentials, rootStsClient } from './host-credentials.ts';
import type { ProcessRegistry } from './processes.ts';
import type { Secret } from './scan/find-secrets.ts';
import { type Command, noFaults, type SsmFaults, type SsmState } from './ssm-commands.ts';
import type { CommandDocument } from './ssm-document.ts';
import { makeDownload } from './ssm-download.ts';
import { SsmError } from './ssm-error.ts';
import { operations } from './ssm-operations.ts';

export type SsmEndpoint = {
  /** `http://127.0.0.1:<port>`, for AWS_ENDPOINT_URL_SSM. */
  endpoint: string;
  /** Makes documents known, as CreateDocument would; a later one of the same name replaces the earlier. */
  addDocuments(documents: readonly CommandDocument[]): void;
  /** Makes a host a managed node, online, with credentials of its role. */
  addHost(host: LocalHost, identity: HostIdentity): void;
  /** An offline host keeps its commands Pending until they time out. */
  setOnline(hostId: string, online: boolean): void;
  faults: SsmFaults;
  /** What was sent so far, oldest first. */
  commands(): Command[];
  /** What hosts were given to prove who they are, for whoever looks where it went. */
  secretsGiven(): Secret[];
  /** Stops running scripts and the server. */
  stop(): Promise<void>;
};

export type SsmEndpointOptions = {
  emulator: { endpoint: string; accountId: string; region: string };
  registry: ProcessRegistry;
  /** Fixed port; without it a free one. */
  port?: number;
};

const target = 'AmazonSSM.';

/**
 * Stands in for the part of SSM that the emulator lacks: commands for local hosts. It speaks AWS JSON 1.1, passes
 * every other SSM operation on to the emulator, and serves the hosts' credentials at `/credentials/<hostId>`.
 * Requests to it are not authorised: what a caller may send is asserted on the templates.
 */
export async function startSsmEndpoint(options: SsmEndpointOptions): Promise<SsmEndpoint> {
  const { emulator, registry } = options;
  const identities = new Map<string, HostIdentity>();
  const given: Secret[] = [];
  const sts = rootStsClient(emulator);
  const state: SsmState = {
    region: emulator.region,
    registry,
    hosts: new Map(),
    documents: new Map(),
    commands: new Map(),
    download: makeDownload({ emulator, sts, identities }),
    faults: noFaults(),
    running: new Set(),
  };

  const serveCredentials = async (
    hostId: string,
    req: IncomingMessage,
    res: ServerResponse,
  ): Promise<void> => {
    const identity = identities.get(hostId);
    if (!identity || !mayHaveCredentials(identity, req.headers.authorization)) {
      answer(res, 403, 'application/json', {
        code: 'AccessDenied',
        message: 'no such host, or not its token',
      });
      return;
    }
    const credentials = await assumeHostRole(sts, identity);
    for (const value of [credentials.SecretAccessKey, credentials.Token])
      given.push({ name: 'credentials of a host', value });
    answer(res, 200, 'application/json', credentials);
  };

  const serve = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const credentials = /^\/credentials\/([a-z0-9-]+)$/.exec(req.url ?? '');
    if (credentials?.[1]) return serveCredentials(credentials[1], req, res);
    const body = await readBody(req);
    const name = String(req.headers['x-amz-target'] ?? '');
    const operation = operations[name.startsWith(target) ? name.slice(target.length) : ''];
    if (!operation) return passOn(emulator.endpoint, req, body, res);
    try {
      answer(
        res,
        200,
        'application/x-amz-json-1.1',
        await operation(state, JSON.parse(body.toString() || '{}')),
      );
    } catch (error) {
      if (!(error instanceof SsmError)) throw error;
      answer(res, 400, 'application/x-amz-json-1.1', { __type: error.name, message: error.message });
    }
    return;
  };

  const server = createServer((req, res) => {
    serve(req, res).catch((error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      answer(res, 500, 'application/x-amz-json-1.1', { __type: 'InternalServerError', message });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;

  return {
    endpoint: `http://127.0.0.1:${port}`,
    addDocuments: (documents) => {
      for (const document of documents) state.documents.set(document.name, document);
    },
    addHost: (host, identity) => {
      state.hosts.set(host.hostId, { ...host, online: true });
      identities.set(host.hostId, identity);
      given.push({ name: 'identity of a local host', value: identity.token });
    },
    setOnline: (hostId, online) => {
      const host = state.hosts.get(hostId);
      if (host) host.online = online;
    },
    faults: state.faults,
    commands: () => [...state.commands.values()],
    secretsGiven: () => [...given],
    async stop() {
      await Promise.all([...state.running].map((cancel) => cancel()));
      sts.destroy();
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function answer(res: ServerResponse, status: number, type: string, body: unknown): void {
  if (res.headersSent) return;
  res.writeHead(status, { 'content-type': type, 'x-amzn-requestid': randomUUID() });
  res.end(JSON.stringify(body));
}

async function readBody(req: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of req) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

function passOn(endpoint: string, req: IncomingMessage, body: Buffer, res: ServerResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    const onward = request(`${endpoint}${req.url}`, { method: req.method, headers: req.headers }, (reply) => {
      res.writeHead(reply.statusCode ?? 502, reply.headers);
      reply.pipe(res).once('finish', resolve).once('error', reject);
    });
    onward.once('error', reject);
    onward.end(body);
  });
}
