import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { type DynamoDBDocumentClient, GetCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { type JobState, jobKey } from '../../contract/records/job.ts';
import type { JobRows, OwnJob } from './rows.ts';

type Change = {
  set: Record<string, unknown>;
  remove?: string[];
  /** States from which the change may happen. */
  from: readonly JobState[];
  /** Hash that the row must carry; left out by the claim, which writes it. */
  claimSecretSha256?: string;
  returns: 'ALL_OLD' | 'ALL_NEW';
};

/** Makes the rows of one host over DynamoDB. Reads are strongly consistent: they decide. */
export function makeTableRows(client: DynamoDBDocumentClient, table: string, userid: string): JobRows {
  const get = async (jobId: string) => {
    const answer = await client.send(
      new GetCommand({ TableName: table, Key: jobKey(userid, jobId), ConsistentRead: true }),
    );
    return answer.Item as Record<string, unknown> | undefined;
  };

  /** The row before or after; undefined when the condition did not hold. */
  const change = async (jobId: string, { set, remove = [], from, claimSecretSha256, returns }: Change) => {
    const fields = Object.keys(set);
    const removed = remove.length > 0 ? ` REMOVE ${remove.map((name) => `#${name}`).join(', ')}` : '';
    const own = claimSecretSha256 === undefined ? '' : ' AND #claimSecretSha256 = :ownSecret';
    const names = new Set([...fields, ...remove, 'state', ...(own ? ['claimSecretSha256'] : [])]);
    try {
      const answer = await client.send(
        new UpdateCommand({
          TableName: table,
          Key: jobKey(userid, jobId),
          UpdateExpression: `SET ${fields.map((name) => `#${name} = :${name}`).join(', ')}${removed}`,
          ConditionExpression: `attribute_exists(pk)${own} AND #state IN (${from.map((_, i) => `:from${i}`).join(', ')})`,
          ExpressionAttributeNames: Object.fromEntries([...names].map((name) => [`#${name}`, name])),
          ExpressionAttributeValues: {
            ...Object.fromEntries(fields.map((name) => [`:${name}`, set[name]])),
            ...Object.fromEntries(from.map((state, i) => [`:from${i}`, state])),
            ...(own ? { ':ownSecret': claimSecretSha256 } : {}),
          },
          ReturnValues: returns,
        }),
      );
      return answer.Attributes as Record<string, unknown>;
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return undefined;
      throw error;
    }
  };

  const stateOf = (row: Record<string, unknown> | undefined) => row?.state as JobState | undefined;
  const tokenOf = (row: Record<string, unknown>) => row.token as string | undefined;
  const isOwn = (row: Record<string, unknown> | undefined, own: OwnJob) =>
    row?.claimSecretSha256 === own.claimSecretSha256;

  return {
    get,
    claim: async (own, runnerVersion, at) => {
      const row = await change(own.jobId, {
        set: {
          state: 'claimed',
          claimedAt: at,
          beatAt: at,
          runnerVersion,
          claimSecretSha256: own.claimSecretSha256,
        },
        from: ['queued'],
        returns: 'ALL_NEW',
      });
      if (row) return { outcome: 'claimed', row };
      const found = await get(own.jobId);
      if (found && isOwn(found, own) && found.state === 'claimed') return { outcome: 'claimed', row: found };
      return { outcome: 'not-queued', state: stateOf(found) ?? 'absent' };
    },
    beat: async (own, progress, at) => {
      const row = await change(own.jobId, {
        set: { beatAt: at, progress },
        from: ['claimed', 'committing', 'cancelled'],
        claimSecretSha256: own.claimSecretSha256,
        returns: 'ALL_NEW',
      });
      if (row) return { outcome: 'alive', state: row.state as JobState, token: tokenOf(row) };
      return { outcome: 'gone', state: stateOf(await get(own.jobId)) };
    },
    committing: async (own, at) => {
      const row = await change(own.jobId, {
        set: { state: 'committing', beatAt: at },
        from: ['claimed'],
        claimSecretSha256: own.claimSecretSha256,
        returns: 'ALL_NEW',
      });
      if (row) return { outcome: 'committing' };
      const found = await get(own.jobId);
      if (isOwn(found, own) && found?.state === 'committing') return { outcome: 'committing' };
      return { outcome: 'refused', state: stateOf(found) };
    },
    finish: async (own, end, at) => {
      const outcome = end.state === 'succeeded' ? { result: end.result } : { error: end.error };
      const ending = {
        remove: ['token', 'live'],
        claimSecretSha256: own.claimSecretSha256,
        returns: 'ALL_OLD' as const,
      };
      const before = await change(own.jobId, {
        ...ending,
        set: { state: end.state, endedAt: at, ...outcome },
        from: ['claimed', 'committing'],
      });
      if (before) return { state: end.state, token: tokenOf(before) };
      // Cancelled or lost meanwhile: that stays, but control waits for the proof that nothing runs any more.
      const ended = await change(own.jobId, {
        ...ending,
        set: { endedAt: at, ...outcome },
        from: ['cancelled', 'lost'],
      });
      if (ended) return { state: stateOf(ended), token: tokenOf(ended) };
      return { state: stateOf(await get(own.jobId)), token: undefined };
    },
  };
}
