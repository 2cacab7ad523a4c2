import { createHash } from 'node:crypto';
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
import { openStore } from '../../../runner/stream/store.ts';
import { type Account, hostId } from './account.ts';
import type { Keys } from './requests.ts';

/** The parts of the runner that speak to AWS, with the host's own credentials. */
export function runnerParts({ config, names, bucket, region, userid, hostKeys }: Account) {
  const host = { ...config, credentials: hostKeys, maxAttempts: 1 };
  const store = (keys: Keys) =>
    openStore({
      bucket,
      region,
      credentials: async () => keys,
      connections: 1,
      env: { AWS_ENDPOINT_URL: config.endpoint },
      log: () => {},
      patience: { budgetMs: 1_000, firstWaitMs: 10 },
    });
  const tables = DynamoDBDocumentClient.from(new DynamoDBClient(host));
  return {
    identity: () => findIdentity(new STSClient(host)),
    rows: makeTableRows(tables, names.jobsTable, userid),
    rowsOf: (other: string) => makeTableRows(tables, names.jobsTable, other),
    rowsIn: (table: string) => makeTableRows(tables, table, userid),
    secret: makeReadSecret(new SecretsManagerClient(host), hostId, () => {}),
    ask: makeAskBroker(new LambdaClient(host), names.function('broker')),
    tasks: makeTasks(new SFNClient(host)),
    own: store(hostKeys),
    store,
  };
}

/** A runner's claim: what it keeps to itself, and what it writes into its row. */
export const claim = (jobId: string, secret: string) => ({
  jobId,
  claimSecretSha256: createHash('sha256').update(secret).digest('hex'),
});
