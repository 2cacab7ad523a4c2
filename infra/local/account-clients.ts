import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { S3Client } from '@aws-sdk/client-s3';
import { SchedulerClient } from '@aws-sdk/client-scheduler';
import { SFNClient } from '@aws-sdk/client-sfn';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import type { Emulator } from './emulator.ts';

/** Clients of the account's root at the emulator: what an operator with all rights would have. */
export type AccountClients = {
  lambda: LambdaClient;
  s3: S3Client;
  scheduler: SchedulerClient;
  sfn: SFNClient;
  tables: DynamoDBDocumentClient;
};

/** Makes the clients; none of them reads the environment or a profile of the machine. */
export function accountClients(emulator: Emulator): AccountClients {
  const config = {
    endpoint: emulator.endpoint,
    region: emulator.region,
    credentials: { accessKeyId: emulator.accountId, secretAccessKey: 'local' },
  };
  return {
    lambda: new LambdaClient(config),
    s3: new S3Client({ ...config, forcePathStyle: true }),
    scheduler: new SchedulerClient(config),
    sfn: new SFNClient(config),
    tables: DynamoDBDocumentClient.from(new DynamoDBClient(config)),
  };
}
