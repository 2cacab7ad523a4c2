/** What IAM knows of a request beside action and resource. A key that is absent is absent from the request. */
export type Context = Readonly<Record<string, string | readonly string[]>>;

/** `{ operator: { key: value or values } }` of a statement. */
export type Conditions = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

const pattern = (text: string, flags = '') =>
  new RegExp(
    `^${text
      .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
    `s${flags}`,
  );

/** Whether a text fits an IAM pattern (`*` and `?`). Actions are compared without regard to case. */
export const fits = (value: string, wanted: string, { ignoreCase = false } = {}): boolean =>
  pattern(wanted, ignoreCase ? 'i' : '').test(value);

type Compare = (actual: string, wanted: string) => boolean;
const equal: Compare = (actual, wanted) => actual === wanted;
const like: Compare = (actual, wanted) => fits(actual, wanted);

/** The operators that templates of ours use; another one is an error, so that no condition passes unread. */
const operators: Record<string, { compare: Compare; negated?: true }> = {
  StringEquals: { compare: equal },
  StringNotEquals: { compare: equal, negated: true },
  StringLike: { compare: like },
  ArnEquals: { compare: like },
  ArnLike: { compare: like },
  ArnNotEquals: { compare: like, negated: true },
  Bool: { compare: (actual, wanted) => actual.toLowerCase() === wanted.toLowerCase() },
  NumericLessThan: { compare: (actual, wanted) => Number(actual) < Number(wanted) },
};

/** Keys of conditions are compared without regard to case. */
const contextValue = (context: Context, key: string) =>
  Object.entries(context).find(([name]) => name.toLowerCase() === key.toLowerCase())?.[1];

/**
 * A text with its policy variables replaced; undefined where one has no value in the request, in which case IAM
 * does not apply the statement.
 */
export function substituted(text: string, context: Context): string | undefined {
  let known = true;
  const result = text.replaceAll(/\$\{([^}]+)\}/g, (_, key: string) => {
    const value = contextValue(context, key);
    if (typeof value !== 'string') known = false;
    return typeof value === 'string' ? value : '';
  });
  return known ? result : undefined;
}

const list = (value: unknown): string[] => (Array.isArray(value) ? value : [value]).map(String);

/**
 * One condition as IAM reads it: without the key, `ForAllValues` and negated operators hold and all others do not;
 * several wanted values are alternatives, of a negated operator all of them must differ.
 */
function holds(operator: string, key: string, wanted: string[], context: Context): boolean {
  const actual = contextValue(context, key);
  if (operator === 'Null') return (actual === undefined) === (wanted[0] === 'true');
  const [set, name = set] = operator.includes(':') ? operator.split(':') : ['', operator];
  const known = operators[name!];
  if (!known) throw new Error(`the condition operator ${operator} is not known to this evaluator`);
  const { compare, negated = false } = known;
  const one = (value: string) => wanted.some((w) => compare(value, w)) !== negated;
  if (actual === undefined) return set === 'ForAllValues' || (set === '' && negated);
  const values = list(actual);
  if (set === 'ForAllValues') return values.every(one);
  if (set === 'ForAnyValue') return values.some(one);
  return values.length === 1 && one(values[0]!);
}

/** Whether all conditions of a statement hold for a request. */
export function conditionsHold(conditions: Conditions = {}, context: Context): boolean {
  return Object.entries(conditions).every(([operator, keys]) =>
    Object.entries(keys).every(([key, value]) => {
      const wanted = list(value).map((text) => substituted(text, context));
      if (wanted.some((text) => text === undefined)) return false;
      return holds(operator, key, wanted as string[], context);
    }),
  );
}
