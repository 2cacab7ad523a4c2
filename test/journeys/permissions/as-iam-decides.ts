import { decide, type PolicyStatement } from '../../infra/policies/decide.ts';
import { type Account, hostId } from './account.ts';
import type { Call, Right } from './calls-of-stores.ts';

/** What the resource of a right says itself: the bucket's policy, a role's trust. */
function policyOfResource({ templates, bucket, account }: Account, { action, resource }: Right) {
  if (action === 'sts:AssumeRole') {
    const name = resource.split('/').at(-1) ?? '';
    return { resource: templates.trust(name), resourceMustAllow: true, owner: account };
  }
  const ours = resource === `arn:aws:s3:::${bucket}` || resource.startsWith(`arn:aws:s3:::${bucket}/`);
  return { ...(ours ? { resource: templates.bucket('home') } : {}), owner: account };
}

/** Keys of a request's context, as AWS fills them for the host under test. */
function contextOf(call: Call, userid: string): Record<string, string | string[]> {
  const { headers = {}, body = '{}', service } = call.request;
  const once = headers['if-none-match'];
  const rows = service === 'dynamodb' ? JSON.parse(body) : {};
  const key = (rows.Key ?? rows.Item)?.pk?.S ?? rows.ExpressionAttributeValues?.[':p']?.S;
  const tagOf: Record<string, string> = {
    [`holdfast/${hostId}/root`]: userid,
    'holdfast/mi-0foreign/root': userid.replace(hostId, 'mi-0foreign'),
    payroll: userid,
  };
  const tag = service === 'secretsmanager' ? tagOf[JSON.parse(body).SecretId] : undefined;
  return {
    'aws:userid': userid,
    ...(once ? { 's3:if-none-match': once } : {}),
    ...(key ? { 'dynamodb:LeadingKeys': [key] } : {}),
    ...(tag ? { 'secretsmanager:ResourceTag/holdfast-userid': tag } : {}),
    ...(call.action === 'cloudwatch:PutMetricData' ? { 'cloudwatch:namespace': 'holdfast' } : {}),
  };
}

/** Whether IAM itself would let a role make a call, by the synthesized policies as they are. */
export function iamAllows(account: Account, role: string, call: Call, session?: PolicyStatement[]): boolean {
  const { templates, arnOfRole, userid } = account;
  const rights: Right[] = [call, ...(call.also ? [call.also] : [])];
  return rights.every(
    ({ action, resource }) =>
      decide(
        { principal: arnOfRole(role), action, resource, context: contextOf(call, userid) },
        {
          identity: templates.identity(role),
          ...policyOfResource(account, { action, resource }),
          ...(session ? { session } : {}),
        },
      ) === 'allowed',
  );
}
