import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import type { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';

type Item = Record<string, unknown>;
type Input = {
  TableName: string;
  Key?: { pk: string; sk: string };
  Item?: Item;
  IndexName?: string;
  KeyConditionExpression?: string;
  ConditionExpression?: string;
  UpdateExpression?: string;
  ExpressionAttributeNames?: Record<string, string>;
  ExpressionAttributeValues?: Item;
  ReturnValues?: 'ALL_NEW' | 'ALL_OLD';
  TransactItems?: { [kind: string]: Input }[];
};

const failed = (name: string, more: object = {}) =>
  Object.assign(new Error(`${name} of the double`), { name }, more);

/** Words and signs of an expression; anything else in it is a mistake that DynamoDB would refuse too. */
function tokensOf(expression: string): string[] {
  const tokens = expression.match(/[#:][A-Za-z0-9_]+|[A-Za-z_]+|<=|>=|<>|[=<>(),.]/g) ?? [];
  if (tokens.join('') !== expression.replace(/\s+/g, '')) {
    throw failed('ValidationException', { message: `cannot read the expression ${expression}` });
  }
  return tokens;
}

/** An expression over one item: reads paths, values and functions token by token. */
function makeReader(input: Input, item: Item | undefined, expression: string) {
  const tokens = tokensOf(expression);
  let place = 0;
  const peek = () => tokens[place];
  const next = () => tokens[place++] ?? '';
  const expect = (token: string) => {
    if (next() !== token)
      throw failed('ValidationException', { message: `${token} expected in ${expression}` });
  };
  const path = (): string[] => {
    const steps: string[] = [];
    do {
      const token = next();
      const name = /^[a-z]/.test(token) ? token : input.ExpressionAttributeNames?.[token];
      if (name === undefined)
        throw failed('ValidationException', { message: `unknown name in ${expression}` });
      steps.push(name);
    } while (peek() === '.' && next());
    return steps;
  };
  const at = (steps: string[]): unknown =>
    steps.reduce<unknown>((value, step) => (value as Item | undefined)?.[step], item);
  const value = (): unknown => {
    const token = next();
    const values = input.ExpressionAttributeValues ?? {};
    if (!(token in values))
      throw failed('ValidationException', { message: `unknown value in ${expression}` });
    return values[token];
  };
  return { tokens, peek, next, expect, path, at, value, done: () => place >= tokens.length };
}

const compare = (a: unknown, sign: string, b: unknown): boolean => {
  if (sign === '=') return JSON.stringify(a) === JSON.stringify(b);
  if (typeof a !== typeof b || (typeof a !== 'string' && typeof a !== 'number')) return false;
  const [left, right] = [a as string | number, b as string | number];
  return sign === '<'
    ? left < right
    : sign === '<='
      ? left <= right
      : sign === '>'
        ? left > right
        : left >= right;
};

/** Whether a condition holds for an item; conditions of the kinds that the catalog writes. */
function holds(input: Input, item: Item | undefined): boolean {
  if (input.ConditionExpression === undefined) return true;
  const read = makeReader(input, item, input.ConditionExpression);
  const operand = (): boolean => {
    const token = read.peek();
    if (token === '(') {
      read.next();
      const inner = either();
      read.expect(')');
      return inner;
    }
    if (
      token === 'attribute_exists' ||
      token === 'attribute_not_exists' ||
      token === 'contains' ||
      token === 'size'
    ) {
      read.next();
      read.expect('(');
      const found = read.at(read.path());
      if (token === 'contains') {
        read.expect(',');
        const member = read.value();
        read.expect(')');
        return found instanceof Set ? found.has(member) : Array.isArray(found) && found.includes(member);
      }
      read.expect(')');
      if (token === 'size')
        return compare(found instanceof Set ? found.size : undefined, read.next(), read.value());
      return (found !== undefined) === (token === 'attribute_exists');
    }
    const found = read.at(read.path());
    const sign = read.next();
    if (sign !== 'IN') return compare(found, sign, read.value()) && found !== undefined;
    read.expect('(');
    let any = false;
    do any = compare(found, '=', read.value()) || any;
    while (read.next() === ',');
    return any;
  };
  const both = (): boolean => {
    let all = operand();
    while (read.peek() === 'AND' && read.next()) all = operand() && all;
    return all;
  };
  const either = (): boolean => {
    let any = both();
    while (read.peek() === 'OR' && read.next()) any = both() || any;
    return any;
  };
  const answer = either();
  if (!read.done()) throw failed('ValidationException', { message: 'the condition goes on' });
  return answer;
}

/** The item after an update. */
function updated(input: Input, before: Item | undefined): Item {
  const item: Item = { ...(before ?? input.Key) };
  const read = makeReader(input, item, input.UpdateExpression ?? '');
  while (!read.done()) {
    const clause = read.next();
    do {
      const [attribute = ''] = read.path();
      if (clause === 'REMOVE') {
        delete item[attribute];
        continue;
      }
      if (clause === 'SET') read.expect('=');
      const value = read.value();
      const known = item[attribute] instanceof Set ? (item[attribute] as Set<unknown>) : new Set();
      if (clause === 'SET') item[attribute] = value;
      if (clause === 'ADD') item[attribute] = new Set([...known, ...(value as Set<unknown>)]);
      if (clause === 'DELETE') {
        const left = new Set([...known].filter((member) => !(value as Set<unknown>).has(member)));
        // A set without members does not exist.
        if (left.size > 0) item[attribute] = left;
        else delete item[attribute];
      }
    } while (read.peek() === ',' && read.next());
  }
  return item;
}

/** Plain and without undefined, as the document client stores it. */
const stored = (item: Item): Item =>
  structuredClone(Object.fromEntries(Object.entries(item).filter(([, value]) => value !== undefined)));

/**
 * DynamoDB in memory behind the document client: the requests and expressions that the catalog uses, conditions and
 * transactions included, and refuses others. `tables` are for a test to look at and to change behind the code's back.
 */
export function makeMemoryDynamoDb() {
  const tables = new Map<string, Map<string, Item>>();
  const rows = (table: string) => {
    const known = tables.get(table) ?? new Map<string, Item>();
    tables.set(table, known);
    return known;
  };
  const nameOf = (key: { pk: string; sk: string }) => `${key.pk}\u0000${key.sk}`;
  const keyOf = (input: Input) => nameOf(input.Key ?? (input.Item as { pk: string; sk: string }));

  function write(
    kind: string,
    input: Input,
    dry: boolean,
  ): { before: Item | undefined; after: Item | undefined } {
    const table = rows(input.TableName);
    const before = table.get(keyOf(input));
    if (!holds(input, before)) {
      // The client's own class: the runner asks for it.
      throw new ConditionalCheckFailedException({ message: 'of the double', $metadata: {} });
    }
    const after =
      kind === 'Put'
        ? stored(input.Item ?? {})
        : kind === 'Update'
          ? stored(updated(input, before))
          : undefined;
    if (dry || kind === 'ConditionCheck') return { before, after };
    if (after) table.set(keyOf(input), after);
    else table.delete(keyOf(input));
    return { before, after };
  }

  function query(input: Input): Item[] {
    const expression = input.KeyConditionExpression ?? '';
    const form = /^(#\w+) = (:\w+)( AND (begins_with\(#sk, :from\)|#sk BETWEEN :from AND :to))?$/.exec(
      expression,
    );
    if (!form)
      throw failed('ValidationException', { message: `cannot read the key condition ${expression}` });
    const [, hash = '', wantedName = '', range = ''] = form;
    const values = input.ExpressionAttributeValues ?? {};
    const attribute = input.ExpressionAttributeNames?.[hash] ?? '';
    const wanted = values[wantedName];
    const fits = (sk: string) => {
      if (range.includes('BETWEEN')) return sk >= String(values[':from']) && sk <= String(values[':to']);
      return range === '' || sk.startsWith(String(values[':from']));
    };
    return [...rows(input.TableName).values()]
      .filter((item) => item[attribute] === wanted && (range === '' || fits(String(item.sk))))
      .sort((a, b) => (String(a.sk) < String(b.sk) ? -1 : 1))
      .map((item) => structuredClone(item));
  }

  function transact(items: NonNullable<Input['TransactItems']>): void {
    const writes = items.flatMap((item) => Object.entries(item));
    const reasons = writes.map(([kind, input]) => {
      try {
        write(kind, input, true);
        return { Code: 'None' };
      } catch (thrown) {
        if ((thrown as Error).name !== 'ConditionalCheckFailedException') throw thrown;
        return { Code: 'ConditionalCheckFailed' };
      }
    });
    if (reasons.some((reason) => reason.Code !== 'None')) {
      throw failed('TransactionCanceledException', { CancellationReasons: reasons });
    }
    for (const [kind, input] of writes) write(kind, input, false);
  }

  function answer(command: string, input: Input): object {
    switch (command) {
      case 'GetCommand': {
        const item = rows(input.TableName).get(keyOf(input));
        return item ? { Item: structuredClone(item) } : {};
      }
      case 'PutCommand':
      case 'DeleteCommand':
        write(command.replace('Command', ''), input, false);
        return {};
      case 'UpdateCommand': {
        const { before, after } = write('Update', input, false);
        const attributes = input.ReturnValues === 'ALL_OLD' ? before : after;
        return attributes ? { Attributes: structuredClone(attributes) } : {};
      }
      case 'QueryCommand':
        return { Items: query(input) };
      case 'TransactWriteCommand':
        transact(input.TransactItems ?? []);
        return {};
      default:
        throw new Error(`the double knows no ${command}`);
    }
  }

  const client = {
    send: async (command: { constructor: { name: string }; input: Input }) =>
      answer(command.constructor.name, command.input),
  } as unknown as DynamoDBDocumentClient;
  return { client, tables, items: (table: string) => [...rows(table).values()] };
}
