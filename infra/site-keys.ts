import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Names } from './names.ts';
import type { Settings } from './settings.ts';

/**
 * The right to use the sites' keys through S3, for a role of this account. A key is known by its alias only: its
 * ARN is random and no stack exports it. Keys of other accounts are open to nobody but whom their own policy
 * names, and IAM tells aliases within an account only, so there the policy of the key alone decides.
 */
export function siteKeyStatements(
  settings: Settings,
  names: Names,
  account: string,
  action: string,
): PolicyStatement[] {
  const sites = Object.entries(settings.sites);
  const statement = (of: typeof sites, conditions: Record<string, unknown>) =>
    new PolicyStatement({
      actions: [action],
      resources: [...new Set(of.map(([name]) => names.keysArn(name)))],
      conditions: {
        ...conditions,
        StringEquals: {
          'kms:ViaService': [...new Set(of.map(([, { region }]) => `s3.${region}.amazonaws.com`))],
        },
      },
    });
  const ours = sites.filter(([, site]) => site.account === account);
  const others = sites.filter(([, site]) => site.account !== account);
  const aliases = {
    'ForAnyValue:StringEquals': { 'kms:ResourceAliases': ours.map(([name]) => names.keyAlias(name)) },
  };
  return [
    ...(ours.length > 0 ? [statement(ours, aliases)] : []),
    ...(others.length > 0 ? [statement(others, {})] : []),
  ];
}
