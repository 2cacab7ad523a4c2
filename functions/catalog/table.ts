import {
  DeleteCommand,
  type DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  QueryCommand,
  type QueryCommandOutput,
  TransactWriteCommand,
  type TransactWriteCommandInput,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { type Change, type Condition, expressions } from './condition.ts';

/** A table and the client to reach it: what every part of the catalog is made from. */
export type TableDeps = { client: DynamoDBDocumentClient; table: string };

export type Key = { pk: string; sk: string };
export type Item = Record<string, unknown>;

/** One write of a transaction. */
export type Write = NonNullable<TransactWriteCommandInput['TransactItems']>[number];

/**
 * `refused` names the writes (by their place) whose conditions did not hold; `conflict`: other transactions kept
 * touching the same items, nothing was written, and a later attempt may succeed.
 */
export type TransactOutcome =
  | { outcome: 'written' }
  | { outcome: 'refused'; places: number[] }
  | { outcome: 'conflict' };

const nameOf = (thrown: unknown) => (thrown instanceof Error ? thrown.name : '');
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Conflicts clear as soon as the other transaction ends (milliseconds): five tries at 20, 40, 80, 160 ms and
 * jitter on top bridge about 0.3 to 0.6 s.
 */
const conflictTries = 5;
const conflictPause = (attempt: number) => pause(20 * 2 ** attempt * (1 + Math.random()));

/** A condition that does not hold is a value: false here, never a throw. */
async function conditional(write: () => Promise<unknown>): Promise<boolean> {
  for (let attempt = 0; ; attempt++) {
    try {
      await write();
      return true;
    } catch (thrown) {
      if (nameOf(thrown) === 'ConditionalCheckFailedException') return false;
      if (nameOf(thrown) !== 'TransactionConflictException' || attempt + 1 >= conflictTries) throw thrown;
      await conflictPause(attempt);
    }
  }
}

export const putWrite = (table: string, item: Item, condition?: Condition): Write => ({
  Put: { TableName: table, Item: item, ...expressions(condition) },
});

export const updateWrite = (table: string, key: Key, change: Change, condition?: Condition): Write => {
  const { UpdateExpression = '', ...rest } = expressions(condition, change);
  return { Update: { TableName: table, Key: key, UpdateExpression, ...rest } };
};

export const checkWrite = (table: string, key: Key, condition: Condition): Write => {
  const { ConditionExpression = '', ...rest } = expressions(condition);
  return { ConditionCheck: { TableName: table, Key: key, ConditionExpression, ...rest } };
};

/** All writes or none. Conflicts are tried again for up to about half a second. Throws what the store throws. */
export async function transact(client: DynamoDBDocumentClient, writes: Write[]): Promise<TransactOutcome> {
  for (let attempt = 0; ; attempt++) {
    try {
      await client.send(new TransactWriteCommand({ TransactItems: writes }));
      return { outcome: 'written' };
    } catch (thrown) {
      if (nameOf(thrown) !== 'TransactionCanceledException') throw thrown;
      const reasons = (thrown as { CancellationReasons?: { Code?: string }[] }).CancellationReasons ?? [];
      const places = reasons.flatMap((r, i) => (r.Code === 'ConditionalCheckFailed' ? [i] : []));
      if (places.length > 0) return { outcome: 'refused', places };
      if (!reasons.some((r) => r.Code === 'TransactionConflict')) throw thrown;
      if (attempt + 1 >= conflictTries) return { outcome: 'conflict' };
      await conflictPause(attempt);
    }
  }
}

/** One table. Reads are strong (F51): what is read here decides. */
export function makeTable({ client, table }: TableDeps) {
  return {
    async get(key: Key): Promise<Item | undefined> {
      const answer = await client.send(new GetCommand({ TableName: table, Key: key, ConsistentRead: true }));
      return answer.Item;
    },

    /** All items of a partition in the order of their sort key, optionally those that begin with `prefix` and are not before `from`. */
    async query(pk: string, { prefix = '', from }: { prefix?: string; from?: string } = {}): Promise<Item[]> {
      const items: Item[] = [];
      let start: Item | undefined;
      do {
        const answer: QueryCommandOutput = await client.send(
          new QueryCommand({
            TableName: table,
            ConsistentRead: true,
            KeyConditionExpression:
              from === undefined
                ? prefix === ''
                  ? '#pk = :pk'
                  : '#pk = :pk AND begins_with(#sk, :from)'
                : '#pk = :pk AND #sk BETWEEN :from AND :to',
            ExpressionAttributeNames: {
              '#pk': 'pk',
              ...(prefix === '' && from === undefined ? {} : { '#sk': 'sk' }),
            },
            ExpressionAttributeValues: {
              ':pk': pk,
              ...(from === undefined ? (prefix === '' ? {} : { ':from': prefix }) : {}),
              ...(from === undefined ? {} : { ':from': `${prefix}${from}`, ':to': `${prefix}\uffff` }),
            },
            ...(start === undefined ? {} : { ExclusiveStartKey: start }),
          }),
        );
        items.push(...(answer.Items ?? []));
        start = answer.LastEvaluatedKey;
      } while (start !== undefined);
      return items;
    },

    /** False when the condition does not hold. */
    put: (item: Item, condition?: Condition): Promise<boolean> =>
      conditional(() =>
        client.send(new PutCommand({ TableName: table, Item: item, ...expressions(condition) })),
      ),

    /** The item after the change (or before it, with `returning: 'old'`); undefined when the condition does not hold. */
    async update(
      key: Key,
      change: Change,
      condition?: Condition,
      returning: 'new' | 'old' = 'new',
    ): Promise<Item | undefined> {
      let item: Item | undefined;
      const held = await conditional(async () => {
        const answer = await client.send(
          new UpdateCommand({
            TableName: table,
            Key: key,
            ReturnValues: returning === 'new' ? 'ALL_NEW' : 'ALL_OLD',
            ...expressions(condition, change),
          }),
        );
        item = answer.Attributes ?? {};
      });
      return held ? item : undefined;
    },

    /** False when the condition does not hold. */
    remove: (key: Key, condition?: Condition): Promise<boolean> =>
      conditional(() =>
        client.send(new DeleteCommand({ TableName: table, Key: key, ...expressions(condition) })),
      ),
  };
}
