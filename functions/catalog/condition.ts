/** Hands out placeholders, so that reserved words (state, token, order, lock, ttl, …) and values never clash. A dot leads into a map. */
type Scope = { name(path: string): string; value(value: unknown): string };

/** A part of a condition; parts are combined with `all` and `any`. */
export type Condition = (scope: Scope) => string;

export const absent =
  (attribute: string): Condition =>
  (s) =>
    `attribute_not_exists(${s.name(attribute)})`;

export const present =
  (attribute: string): Condition =>
  (s) =>
    `attribute_exists(${s.name(attribute)})`;

export const equals =
  (attribute: string, value: unknown): Condition =>
  (s) =>
    `${s.name(attribute)} = ${s.value(value)}`;

export const below =
  (attribute: string, value: unknown): Condition =>
  (s) =>
    `${s.name(attribute)} < ${s.value(value)}`;

export const atMost =
  (attribute: string, value: unknown): Condition =>
  (s) =>
    `${s.name(attribute)} <= ${s.value(value)}`;

export const oneOf =
  (attribute: string, values: readonly unknown[]): Condition =>
  (s) =>
    `${s.name(attribute)} IN (${values.map((v) => s.value(v)).join(', ')})`;

/** The set holds this member. */
export const holds =
  (attribute: string, member: string): Condition =>
  (s) =>
    `contains(${s.name(attribute)}, ${s.value(member)})`;

/** The set has fewer members than `limit`. */
export const fewerThan =
  (attribute: string, limit: number): Condition =>
  (s) =>
    `size(${s.name(attribute)}) < ${s.value(limit)}`;

export const all =
  (...parts: Condition[]): Condition =>
  (s) =>
    parts.map((part) => `(${part(s)})`).join(' AND ');

export const any =
  (...parts: Condition[]): Condition =>
  (s) =>
    parts.map((part) => `(${part(s)})`).join(' OR ');

/** What an update does: `set` and `remove` attributes, `add` members to or `take` them from a set. */
export type Change = {
  set?: Readonly<Record<string, unknown>>;
  remove?: readonly string[];
  add?: Readonly<Record<string, ReadonlySet<string>>>;
  take?: Readonly<Record<string, ReadonlySet<string>>>;
};

/** The parameters of DynamoDB that carry a change and its condition. */
export type Expressions = {
  ConditionExpression?: string;
  UpdateExpression?: string;
  ExpressionAttributeNames?: Record<string, string>;
  ExpressionAttributeValues?: Record<string, unknown>;
};

/** Writes the expressions out. Attributes of `set` that are undefined are left alone. */
export function expressions(condition?: Condition, change?: Change): Expressions {
  const names: Record<string, string> = {};
  const values: Record<string, unknown> = {};
  const scope: Scope = {
    name(path) {
      for (const attribute of path.split('.')) names[`#${attribute}`] = attribute;
      return path
        .split('.')
        .map((attribute) => `#${attribute}`)
        .join('.');
    },
    value(value) {
      const placeholder = `:v${Object.keys(values).length}`;
      values[placeholder] = value;
      return placeholder;
    },
  };
  const pairs = (word: string, of: Readonly<Record<string, unknown>> | undefined, joint: string) => {
    const defined = Object.entries(of ?? {}).filter(([, value]) => value !== undefined);
    if (defined.length === 0) return [];
    return [`${word} ${defined.map(([k, v]) => `${scope.name(k)}${joint}${scope.value(v)}`).join(', ')}`];
  };
  const clauses = [
    ...pairs('SET', change?.set, ' = '),
    ...(change?.remove?.length ? [`REMOVE ${change.remove.map((a) => scope.name(a)).join(', ')}`] : []),
    ...pairs('ADD', change?.add, ' '),
    ...pairs('DELETE', change?.take, ' '),
  ];
  const conditionText = condition?.(scope);
  return {
    ...(conditionText === undefined ? {} : { ConditionExpression: conditionText }),
    ...(clauses.length === 0 ? {} : { UpdateExpression: clauses.join(' ') }),
    ...(Object.keys(names).length === 0 ? {} : { ExpressionAttributeNames: names }),
    ...(Object.keys(values).length === 0 ? {} : { ExpressionAttributeValues: values }),
  };
}
