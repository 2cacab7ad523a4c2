import { type Conditions, type Context, conditionsHold, fits, substituted } from './conditions.ts';

export type PolicyStatement = {
  Sid?: string;
  Effect: string;
  Principal?: unknown;
  Action?: string | string[];
  NotAction?: string | string[];
  Resource?: string | string[];
  NotResource?: string | string[];
  Condition?: unknown;
};

export type Request = {
  /** ARN of a role, or a service such as `sns.amazonaws.com`. */
  principal: string;
  action: string;
  /** ARN of what is acted on. */
  resource: string;
  context?: Context;
};

export type Policies = {
  /** Of the role itself. */
  identity: readonly PolicyStatement[];
  /** Handed over when the role was assumed. */
  session?: readonly PolicyStatement[];
  /** Of what is acted on: of a bucket, key or topic, or the trust of a role. */
  resource?: readonly PolicyStatement[];
  /** The account of what is acted on. */
  owner: string;
  /** A key and a role are open to nobody whom their own policy does not name. */
  resourceMustAllow?: boolean;
};

/** `denied` by a statement, named by its Sid; `not allowed` where none allows. */
export type Verdict = 'allowed' | 'not allowed' | `denied: ${string}`;

const texts = (value: string | string[] | undefined): string[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];

function actionFits({ Action, NotAction }: PolicyStatement, action: string): boolean {
  const among = (wanted: string | string[] | undefined) =>
    texts(wanted).some((w) => fits(action, w, { ignoreCase: true }));
  return Action === undefined ? NotAction !== undefined && !among(NotAction) : among(Action);
}

function resourceFits(
  { Resource, NotResource }: PolicyStatement,
  resource: string,
  context: Context,
): boolean {
  const among = (wanted: string | string[] | undefined) =>
    texts(wanted).some((w) => {
      const known = substituted(w, context);
      return known !== undefined && fits(resource, known);
    });
  // The trust of a role names no resource: it is the role's own.
  if (Resource === undefined && NotResource === undefined) return true;
  return Resource === undefined ? !among(NotResource) : among(Resource);
}

const accountOf = (arn: string) => arn.split(':')[4] ?? '';

/** How a statement names a caller: itself, by its account only, or not at all. */
function naming({ Principal }: PolicyStatement, principal: string): 'itself' | 'its account' | undefined {
  if (Principal === '*') return 'itself';
  const { AWS, Service } = (Principal ?? {}) as { AWS?: string | string[]; Service?: string | string[] };
  if (texts(AWS).some((p) => p === '*' || p === principal) || texts(Service).includes(principal))
    return 'itself';
  const account = accountOf(principal);
  const mine = [account, `arn:aws:iam::${account}:root`];
  return texts(AWS).some((p) => mine.includes(p)) ? 'its account' : undefined;
}

/**
 * Decides as IAM does within one organisation without further limits: a denial anywhere denies; a session policy
 * narrows the role; a resource policy that names the account only leaves the rest to the role's own policy, across
 * accounts both must allow.
 */
export function decide({ principal, action, resource, context = {} }: Request, policies: Policies): Verdict {
  const full: Context = {
    'aws:PrincipalArn': principal,
    'aws:SecureTransport': 'true',
    's3:TlsVersion': '1.3',
    ...context,
  };
  const applies = (s: PolicyStatement) =>
    actionFits(s, action) &&
    resourceFits(s, resource, full) &&
    conditionsHold(s.Condition as Conditions, full);
  const { identity, session, resource: attached = [], owner, resourceMustAllow = false } = policies;
  const named = attached.filter((s) => naming(s, principal) !== undefined && applies(s));
  const denial = [...[...identity, ...(session ?? [])].filter(applies), ...named].find(
    (s) => s.Effect === 'Deny',
  );
  if (denial) return `denied: ${denial.Sid ?? 'a statement without a Sid'}`;

  const allows = (list: readonly PolicyStatement[]) => list.some((s) => s.Effect === 'Allow' && applies(s));
  const byRole = allows(identity) && (session === undefined || allows(session));
  const byResource = named.filter((s) => s.Effect === 'Allow');
  const sameAccount = accountOf(principal) === owner;
  const itself = byResource.some((s) => naming(s, principal) === 'itself');
  if (itself && (sameAccount || !principal.startsWith('arn:'))) return 'allowed';
  const resourceAgrees = byResource.length > 0 || (sameAccount && !resourceMustAllow);
  return byRole && resourceAgrees ? 'allowed' : 'not allowed';
}
