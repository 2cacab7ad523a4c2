import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { NamedError } from '../../contract/errors/named-error.ts';

/** Credentials that end by themselves. */
export type Credentials = {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
  /** ISO 8601. A client renews by it. */
  expiration: string;
};

/** Credentials of a role, narrowed by a session policy. */
export type AssumeRole = (of: {
  roleArn: string;
  sessionName: string;
  policy: string;
}) => Promise<Credentials>;

/** A role that is assumed by a role lasts an hour at most (role chaining). */
const seconds = 3600;

export const makeAssumeRole =
  (client = new STSClient({ maxAttempts: 5 })): AssumeRole =>
  async ({ roleArn, sessionName, policy }) => {
    const answer = await client.send(
      new AssumeRoleCommand({
        RoleArn: roleArn,
        RoleSessionName: sessionName,
        Policy: policy,
        DurationSeconds: seconds,
      }),
    );
    const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = answer.Credentials ?? {};
    if (!AccessKeyId || !SecretAccessKey || !SessionToken || !Expiration) {
      throw new NamedError('Holdfast.Unexpected', `STS gave no credentials for ${roleArn}`);
    }
    return {
      accessKeyId: AccessKeyId,
      secretAccessKey: SecretAccessKey,
      sessionToken: SessionToken,
      expiration: Expiration.toISOString(),
    };
  };
