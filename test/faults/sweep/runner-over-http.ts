import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SFNClient } from '@aws-sdk/client-sfn';
import { STSClient } from '@aws-sdk/client-sts';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { findIdentity } from '../../../runner/host/identity.ts';
import { makeReadSecret } from '../../../runner/host/secrets.ts';
import { makeAskBroker } from '../../../runner/job/broker.ts';
import { makeTableRows } from '../../../runner/job/table-rows.ts';
import { makeTasks } from '../../../runner/job/tasks.ts';
import type { CredentialsProvider } from '../../../runner/stream/sign.ts';
import { openStore } from '../../../runner/stream/store.ts';
import { type FaultKind, type ProxiedRequest, startFaultProxy } from '../../doubles/fault-proxy.ts';
import { aHost } from '../../doubles/records.ts';
import { startCloudServer } from './cloud-server.ts';
import type { Host, RunnerOutside } from './host.ts';
import type { Installation } from './installation.ts';
import { StateError } from './machine-walk.ts';

/** How one request of a runner goes wrong; the client below tries it again as the real one does. */
export const requestKinds = [
  'is refused',
  'is never answered',
  'is done and its answer lost',
  'is refused, and the four after it',
  'is the first of a host that is cut off for good',
] as const;
export type RequestKind = (typeof requestKinds)[number];

const kindOf: Record<RequestKind, FaultKind> = {
  'is refused': { do: 'refuse' },
  'is never answered': { do: 'hang' },
  'is done and its answer lost': { do: 'lose-answer' },
  'is refused, and the four after it': { do: 'refuse' },
  'is the first of a host that is cut off for good': { do: 'refuse' },
};

/** What the runner asks by its own clock is not counted: a beat comes when it comes. */
const isBeat = ({ headers, path }: ProxiedRequest) => path === '/' && headers['x-beat'] !== undefined;

/** The requests of all runners of one installation. */
export function countRequests(strike: { at: number; kind: RequestKind } | undefined, hit: () => void) {
  const seen: string[] = [];
  let struck = false;
  let runner = 0;
  let cutOff = 0;
  return {
    seen,
    struck: () => struck,
    /** Another runner begins: what cut off the one before is over. */
    nextRunner: () => void ++runner,
    /** Whether this request, which is one more, is to be hit. */
    hits: (what: string): boolean => {
      seen.push(what);
      if (strike === undefined) return false;
      if (cutOff === runner) return true;
      const past = seen.length - strike.at;
      if (strike.kind === 'is refused, and the four after it' ? past < 0 || past > 4 : past !== 0)
        return false;
      if (strike.kind === 'is the first of a host that is cut off for good') cutOff = runner;
      return true;
    },
    kind: strike ? kindOf[strike.kind] : ({ do: 'pass' } as const),
    strikes: () => {
      struck = true;
      hit();
    },
  };
}

export type CountedRequests = ReturnType<typeof countRequests>;

const what = ({ method, path, headers }: ProxiedRequest) =>
  `${headers['x-amz-target'] ?? `${method} ${path.split('?')[0]}`}`;

/** Waits of the real clients are 5 to 60 s; the rules are the same. Long enough for a machine that has much to do. */
const answersWithinMs = 2000;

/**
 * The clients of an installation's runners as `runner/host/clients.ts` and `runner/assemble.ts` make them, with shorter
 * waits, over HTTP through a fault proxy to the services of the installation.
 */
export async function overHttp(world: Installation, requests: CountedRequests) {
  const region = 'eu-central-1';
  let hostId = '';
  const useridOf = (host: string) => aHost(host).userid;
  const cloud = await startCloudServer({
    dynamo: world.dynamo.client,
    objectsOf: world.buckets.objectsOf,
    region,
    heartbeat: world.heartbeat,
    answer: (token, told) =>
      world.answer(token, 'output' in told ? told : { error: new StateError(told.error, told.cause) })
        ? 'taken'
        : 'gone',
    askBroker: (request) => world.invoke('broker', request),
    userid: () => useridOf(hostId),
    secret: 'a password',
  });
  const proxy = await startFaultProxy(cloud.url);
  proxy.plan({
    when: (request) => !isBeat(request) && requests.hits(what(request)),
    kind: requests.kind,
    struck: requests.strikes,
  });

  const common = {
    region,
    endpoint: proxy.url,
    credentials: { accessKeyId: 'HOST', secretAccessKey: 'x' },
    maxAttempts: 3,
    requestHandler: {
      connectionTimeout: answersWithinMs,
      requestTimeout: answersWithinMs,
      throwOnRequestTimeout: true,
    },
  };
  const table = new DynamoDBClient(common);
  table.middlewareStack.add(
    (next) => async (request) => {
      const { headers, body } = request.request as { headers: Record<string, string>; body: string };
      if (typeof body === 'string' && body.includes('":progress"')) headers['x-beat'] = 'yes';
      return next(request);
    },
    { step: 'build', name: 'markBeats' },
  );
  const document = DynamoDBDocumentClient.from(table, { marshallOptions: { removeUndefinedValues: true } });
  const broker = new LambdaClient(common);
  const tasks = new SFNClient(common);
  const secrets = new SecretsManagerClient(common);
  const sts = new STSClient(common);
  const own: CredentialsProvider = async () => common.credentials;
  return {
    /** For the next runner; one runs at a time. */
    outsideOf: (host: Host): RunnerOutside => {
      hostId = host.hostId;
      requests.nextRunner();
      return {
        rows: makeTableRows(document, 'jobs', useridOf(hostId)),
        tasks: makeTasks(tasks),
        openStore: (site, credentials) =>
          openStore({
            ...site,
            credentials: credentials ?? own,
            connections: 4,
            env: { AWS_ENDPOINT_URL_S3: proxy.url },
            log: () => undefined,
            patience: { budgetMs: 6000, stallMs: answersWithinMs, firstWaitMs: 10, longestWaitMs: 50 },
          }),
        ask: makeAskBroker(broker, 'holdfast-broker'),
        identify: () => findIdentity(sts),
        readSecret: makeReadSecret(secrets, hostId, () => undefined),
        intervals: { claimBudget: 1500, commitBudget: 1500, finishBudget: 1500, stuck: 3000 },
        brokerBudgetMs: 1500,
      };
    },
    stop: async () => {
      for (const client of [table, broker, tasks, secrets, sts]) client.destroy();
      await proxy.stop();
      await cloud.stop();
    },
  };
}

export type OverHttp = Awaited<ReturnType<typeof overHttp>>;
