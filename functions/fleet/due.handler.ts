import { randomBytes } from 'node:crypto';
import { S3Client } from '@aws-sdk/client-s3';
import { catalogFrom } from '../clients/catalog.ts';
import { now } from '../clients/clock.ts';
import { makeObjects } from '../clients/objects.ts';
import { makeGetPolicy } from '../clients/policies.ts';
import { dueEnv } from '../env/due.ts';
import { readEnv } from '../env/read.ts';
import { makeHandler } from './due.ts';

const env = readEnv(dueEnv, process.env);
const { clusters, slots } = catalogFrom(env);

export const handler = makeHandler({
  clusters,
  slots,
  getPolicy: makeGetPolicy(env.POLICY_PREFIX),
  scratch: makeObjects(new S3Client({ maxAttempts: 6 }), env.SCRATCH_BUCKET),
  now,
  nonce: () => randomBytes(6).toString('hex'),
});
