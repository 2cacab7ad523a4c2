import { AccountPrincipal, PolicyStatement } from 'aws-cdk-lib/aws-iam';

/** What keeps a key manageable: its account's IAM decides who administers it. No use of the key is among them. */
export const keyAdministration = (account: string) =>
  new PolicyStatement({
    sid: 'AdministerByItsAccount',
    principals: [new AccountPrincipal(account)],
    actions: [
      'kms:CancelKeyDeletion',
      'kms:CreateAlias',
      'kms:DeleteAlias',
      'kms:DescribeKey',
      'kms:DisableKey',
      'kms:EnableKey',
      'kms:EnableKeyRotation',
      'kms:GetKeyPolicy',
      'kms:GetKeyRotationStatus',
      'kms:ListGrants',
      'kms:ListKeyPolicies',
      'kms:ListResourceTags',
      'kms:PutKeyPolicy',
      'kms:RevokeGrant',
      'kms:ScheduleKeyDeletion',
      'kms:TagResource',
      'kms:UntagResource',
      'kms:UpdateAlias',
      'kms:UpdateKeyDescription',
    ],
    resources: ['*'],
  });
