import { InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import { NamedError } from '../../contract/errors/named-error.ts';
import { type BrokerAnswer, type BrokerRequest, brokerAnswerSchema } from '../../contract/records/broker.ts';
import type { Log } from '../engines/engine.ts';
import { repeatWithin } from './repeat.ts';

export type RestoreCredentials = {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
  expiration: Date;
};

/** Asks the broker once. */
export type AskBroker = (request: BrokerRequest) => Promise<BrokerAnswer>;

/** Makes the question over Lambda. A function that broke is an error; one that says no answers `refused`. */
export function makeAskBroker(client: LambdaClient, functionName: string): AskBroker {
  return async (request) => {
    const answer = await client.send(
      new InvokeCommand({ FunctionName: functionName, Payload: Buffer.from(JSON.stringify(request)) }),
    );
    const text = Buffer.from(answer.Payload ?? []).toString('utf8');
    if (answer.FunctionError !== undefined) {
      throw new NamedError('Broker.Refused', `the broker broke: ${text.slice(0, 500)}`, {
        functionError: answer.FunctionError,
      });
    }
    return brokerAnswerSchema.parse(JSON.parse(text));
  };
}

/** Renewed this long before they end, so that no request starts with credentials that end under way. */
const renewBeforeMs = 10 * 60_000;

/** A restore of hours must not end because a function or a table was away for a moment; below what a cancelled job has to end. */
const brokenBudgetMs = 120_000;

/**
 * Makes the provider of a restore's reading rights. Asks the broker when it has none, when they are about to end and
 * on `forceRefresh`; callers that come meanwhile share the one question. A broker that breaks is asked again for two
 * minutes, one that says no is not. Nothing is stored.
 */
export function makeBrokerCredentials(options: {
  ask: AskBroker;
  hostId: string;
  jobId: string;
  secret: string;
  now: () => Date;
  hide: (secret: string) => void;
  log?: Log;
  budgetMs?: number;
}): (request?: { forceRefresh?: boolean }) => Promise<RestoreCredentials> {
  const { ask, hostId, jobId, secret, now, hide, log = () => undefined } = options;
  let held: RestoreCredentials | undefined;
  let asking: Promise<RestoreCredentials> | undefined;

  const renew = async (): Promise<RestoreCredentials> => {
    const answer = await repeatWithin(
      options.budgetMs ?? brokenBudgetMs,
      () => ask({ v: 1, hostId, jobId, secret }),
      (error) => log('the broker did not answer; asking again', { cause: (error as Error).message }),
    );
    if (answer.outcome === 'refused') {
      throw new NamedError('Broker.Refused', `${answer.error.name}: ${answer.error.cause}`, { jobId });
    }
    const { accessKeyId, secretAccessKey, sessionToken } = answer;
    hide(secretAccessKey);
    hide(sessionToken);
    return { accessKeyId, secretAccessKey, sessionToken, expiration: new Date(answer.expiration) };
  };

  return async ({ forceRefresh = false } = {}) => {
    const fresh = held !== undefined && held.expiration.getTime() - now().getTime() > renewBeforeMs;
    if (fresh && !forceRefresh) return held as RestoreCredentials;
    asking ??= renew().finally(() => {
      asking = undefined;
    });
    held = await asking;
    return held;
  };
}
