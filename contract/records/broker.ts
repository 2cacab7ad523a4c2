import { z } from 'zod';
import { hostId, mintedId } from './ids.ts';

/** What a runner shows to the broker: who it is, its job, and the secret whose hash it wrote at its claim. */
export const brokerRequestSchema = z.strictObject({
  v: z.literal(1),
  hostId,
  jobId: mintedId,
  secret: z.string().min(32).max(200),
});

/** Credentials of the restore role, narrowed to one cluster's prefixes at one site; an hour at most, never stored. */
export const brokerAnswerSchema = z.discriminatedUnion('outcome', [
  z.object({
    outcome: z.literal('granted'),
    accessKeyId: z.string(),
    secretAccessKey: z.string(),
    sessionToken: z.string(),
    expiration: z.string(),
  }),
  z.object({ outcome: z.literal('refused'), error: z.object({ name: z.string(), cause: z.string() }) }),
]);

export type BrokerRequest = z.infer<typeof brokerRequestSchema>;
export type BrokerAnswer = z.infer<typeof brokerAnswerSchema>;
