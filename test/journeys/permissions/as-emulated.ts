import type { PolicyStatement } from '../../infra/policies/decide.ts';

/**
 * Rewrites a synthesized policy into what the emulator understands of it, and nothing more. Each line here is a
 * difference between the emulator and IAM, measured on MiniStack 1.5.33:
 *
 * - it puts no values for policy variables: `${aws:userid}` becomes the identity of the one host under test;
 * - it does not know `dynamodb:LeadingKeys`: conditions on it go, and rows of other hosts are not kept apart;
 * - of tags of secrets it knows `aws:ResourceTag`, which on AWS means the same as the service's own key;
 * - its `aws:PrincipalArn` is the ARN of the session, on AWS that of the role;
 * - a task token names no machine to it: the right to answer tasks is one on everything or on nothing;
 * - it does not know `s3:if-none-match`: a denial where it is absent would deny every put, so that statement goes;
 * - it is reached without TLS: the denials of that go;
 * - the account's root takes roles in the place of services, and names no `aws:SourceAccount`.
 */
export function asEmulated(statements: readonly PolicyStatement[], userid: string): PolicyStatement[] {
  const text = JSON.stringify(statements)
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of IAM
    .replaceAll('${aws:userid}', userid)
    .replaceAll('secretsmanager:ResourceTag/', 'aws:ResourceTag/');
  return (JSON.parse(text) as PolicyStatement[])
    .map(({ Condition, ...statement }) => ({ ...statement, ...withCondition(emulatedConditions(Condition)) }))
    .filter(({ Condition }) => {
      const conditions = JSON.stringify(Condition ?? {});
      return !/s3:if-none-match|aws:SecureTransport|s3:TlsVersion/.test(conditions);
    })
    .map((statement) =>
      [statement.Action].flat().some((action) => action?.startsWith('states:SendTask'))
        ? { ...statement, Resource: '*' }
        : statement,
    );
}

const unknownHere = new Set(['dynamodb:LeadingKeys', 'aws:SourceAccount']);

type Conditions = Record<string, Record<string, unknown>>;

const withCondition = (conditions: Conditions | undefined) =>
  conditions && Object.keys(conditions).length > 0 ? { Condition: conditions } : {};

function emulatedConditions(conditions: unknown): Conditions | undefined {
  if (conditions === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(conditions as Conditions).flatMap(([operator, keys]) => {
      const known = Object.entries(keys)
        .filter(([key]) => !unknownHere.has(key))
        .map(([key, value]) => [key, key === 'aws:PrincipalArn' ? [value].flat().map(sessionsOf) : value]);
      return known.length > 0 ? [[operator, Object.fromEntries(known)]] : [];
    }),
  );
}

/** All sessions of a role: `arn:aws:iam::1:role/a` is `arn:aws:sts::1:assumed-role/a/*`. */
const sessionsOf = (role: unknown) =>
  String(role).replace(/^arn:aws:iam::(\d+):role\/(.*)$/, 'arn:aws:sts::$1:assumed-role/$2/*');
