import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { LambdaClient } from '@aws-sdk/client-lambda';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SFNClient } from '@aws-sdk/client-sfn';
import { STSClient } from '@aws-sdk/client-sts';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import type { Clock } from './clock.ts';

/**
 * No request may hang for longer than half a beat: a beat that waits is a beat that is missed. Endpoints come from
 * the SDK's own AWS_ENDPOINT_URL variables where they are not the cloud's.
 */
const answersWithin = (milliseconds: number) => ({
  requestHandler: { connectionTimeout: 5000, requestTimeout: milliseconds, throwOnRequestTimeout: true },
});

/** Each answer of the table sets `clock` right: what is written into rows is compared with the cloud's time (F53). */
export function makeTableClient(region: string, clock: Clock): DynamoDBDocumentClient {
  const client = new DynamoDBClient({ region, maxAttempts: 3, ...answersWithin(5000) });
  client.middlewareStack.add(
    (next) => async (request) => {
      const answer = await next(request);
      clock.observe((answer.response as { headers?: Record<string, string> }).headers?.date);
      return answer;
    },
    { step: 'deserialize', name: 'observeDate' },
  );
  return DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
}

export const makeTasksClient = (region: string): SFNClient =>
  new SFNClient({ region, maxAttempts: 3, ...answersWithin(10_000) });

export const makeIdentityClient = (region: string): STSClient =>
  new STSClient({ region, maxAttempts: 5, ...answersWithin(10_000) });

/** The broker assumes a role before it answers; a cold start is within 20 s. */
export const makeBrokerClient = (region: string): LambdaClient =>
  new LambdaClient({ region, maxAttempts: 5, ...answersWithin(20_000) });

export const makeSecretsClient = (region: string): SecretsManagerClient =>
  new SecretsManagerClient({ region, maxAttempts: 5, ...answersWithin(10_000) });
