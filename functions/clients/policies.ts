import { GetParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { readStored } from '../../contract/formats/codec.ts';
import { type Policy, policySchema } from '../../contract/records/policy.ts';

/** Reads a deployed policy; undefined when there is none of that name. */
export type GetPolicy = (name: string) => Promise<Policy | undefined>;

/** Policies are SSM parameters below `prefix`, one each, in JSON. */
export const makeGetPolicy =
  (prefix: string, client = new SSMClient({ maxAttempts: 7 })): GetPolicy =>
  async (name) => {
    try {
      const answer = await client.send(new GetParameterCommand({ Name: `${prefix}${name}` }));
      return readStored(policySchema, `policy ${name}`, JSON.parse(answer.Parameter?.Value ?? 'null'));
    } catch (thrown) {
      if (thrown instanceof Error && thrown.name === 'ParameterNotFound') return undefined;
      throw thrown;
    }
  };
