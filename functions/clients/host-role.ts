import { GetRoleCommand } from '@aws-sdk/client-iam';
import type { Places } from './places.ts';

/** The identity of a host as `aws:userid` has it; it is the partition of its job rows. Throws what IAM throws. */
export type UserIdOf = (host: { hostId: string; account: string; region: string }) => Promise<string>;

/** `<RoleId>:<hostId>`: the role's id, read through the dispatch role of its account, and the session name, which is the node id. */
export const makeUserIdOf =
  (places: Places): UserIdOf =>
  async ({ hostId, account, region }) => {
    const place = places.of(account, region);
    const { Role } = await place.iam.send(new GetRoleCommand({ RoleName: place.hostRoleName }));
    return `${Role?.RoleId}:${hostId}`;
  };
