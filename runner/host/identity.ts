import { GetCallerIdentityCommand, type STSClient } from '@aws-sdk/client-sts';
import { NamedError } from '../../contract/errors/named-error.ts';

/** `userid` is what IAM compares as `aws:userid`, `<RoleId>:<hostId>`, and the partition of this host's rows. */
export type HostIdentity = { userid: string; hostId: string };

/** Asks the cloud who this host is; what the host believes of itself does not count. */
export async function findIdentity(sts: STSClient): Promise<HostIdentity> {
  const { UserId: userid } = await sts.send(new GetCallerIdentityCommand({}));
  const hostId = userid?.split(':')[1];
  if (!userid || !hostId) {
    throw new NamedError(
      'Settings.Invalid',
      'the runner must run under the role of its host: its identity would be <RoleId>:<hostId>',
      { value: userid ?? null },
    );
  }
  return { userid, hostId };
}
