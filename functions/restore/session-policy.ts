/** STS refuses a session policy of more characters. */
export const sessionPolicyCharacters = 2048;

/**
 * What the restore role may do for one job: read what one cluster has stored at one site, every version of it.
 * It narrows the role, which alone says with which key may be decrypted. The closing slash keeps cluster `a`
 * from reading `ab`.
 */
export function sessionPolicyOf(of: { partition: string; bucket: string; clusterId: string }): string {
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Action: ['s3:GetObject', 's3:GetObjectVersion'],
        Resource: `arn:${of.partition}:s3:::${of.bucket}/${of.clusterId}/*`,
      },
      { Effect: 'Allow', Action: 'kms:Decrypt', Resource: '*' },
    ],
  });
}
