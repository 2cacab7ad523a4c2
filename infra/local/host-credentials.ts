import { randomBytes, timingSafeEqual } from 'node:crypto';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';

/** The body that SDKs expect behind AWS_CONTAINER_CREDENTIALS_FULL_URI. */
export type ContainerCredentials = {
  AccessKeyId: string;
  SecretAccessKey: string;
  Token: string;
  /** ISO 8601; SDKs ask again some minutes before. */
  Expiration: string;
};

/** A host's right to credentials: whoever shows the token gets those of the host's role. */
export type HostIdentity = { hostId: string; roleArn: string; token: string };

/** A new identity for a host. Its role's sessions are named after the host, so that `aws:userid` is `<RoleId>:<hostId>`. */
export function hostIdentity(hostId: string, roleArn: string): HostIdentity {
  return { hostId, roleArn, token: randomBytes(24).toString('hex') };
}

/** What `etc/environment` of a host holds. */
export function hostEnvironment(
  identity: HostIdentity,
  endpoints: { emulator: string; ssm: string; region: string },
): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoints.emulator,
    AWS_ENDPOINT_URL_SSM: endpoints.ssm,
    AWS_REGION: endpoints.region,
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${endpoints.ssm}/credentials/${identity.hostId}`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: identity.token,
  };
}

/** Whether `shown` is the identity's token. */
export function mayHaveCredentials(identity: HostIdentity, shown: string | undefined): boolean {
  const right = Buffer.from(identity.token);
  const given = Buffer.from(shown ?? '');
  return right.length === given.length && timingSafeEqual(right, given);
}

/** Takes the host's role for an hour, as the instance profile of a real host would. */
export async function assumeHostRole(sts: STSClient, identity: HostIdentity): Promise<ContainerCredentials> {
  const answer = await sts.send(
    new AssumeRoleCommand({
      RoleArn: identity.roleArn,
      RoleSessionName: identity.hostId,
      DurationSeconds: 3600,
    }),
  );
  const { AccessKeyId = '', SecretAccessKey = '', SessionToken = '', Expiration } = answer.Credentials ?? {};
  return {
    AccessKeyId,
    SecretAccessKey,
    Token: SessionToken,
    Expiration: (Expiration ?? new Date()).toISOString(),
  };
}

/** A client that takes roles as the account's root. */
export function rootStsClient(emulator: { endpoint: string; accountId: string; region: string }): STSClient {
  return new STSClient({
    endpoint: emulator.endpoint,
    region: emulator.region,
    credentials: { accessKeyId: emulator.accountId, secretAccessKey: 'local' },
  });
}
