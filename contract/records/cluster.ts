import { z } from 'zod';
import { hostId, id, instant } from './ids.ts';

const absolutePath = z
  .string()
  .regex(/^\/[^\0]*$/, 'must be an absolute path')
  .max(1000);

/** How the runner logs in: the account's unix socket, an option file on the host, or a secret `holdfast/<host>/<name>`. */
export const credentialSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('socket'), user: z.string().min(1).max(80).default('root') }),
  z.strictObject({ kind: z.literal('file'), path: absolutePath }),
  z.strictObject({
    kind: z.literal('secret'),
    name: z.string().regex(/^holdfast\/[a-z0-9-]{1,40}\/[A-Za-z0-9/_+=.@-]{1,200}$/),
  }),
]);

export const memberSchema = z
  .strictObject({
    memberId: id,
    set: id.default('main'),
    hostId,
    socket: absolutePath.optional(),
    address: z.string().min(1).max(255).optional(),
    port: z.int().min(1).max(65535).optional(),
    datadir: absolutePath,
    defaultsFile: absolutePath.optional(),
    serviceUnit: z
      .string()
      .regex(/^[A-Za-z0-9@._-]{1,200}$/)
      .optional(),
    credential: credentialSchema,
  })
  .refine((m) => m.socket !== undefined || m.address !== undefined, {
    path: ['socket'],
    message: 'socket or address is needed',
  });

/** A cluster as an operator writes it. */
export const clusterDocumentSchema = z
  .strictObject({
    clusterId: id,
    engine: z.enum(['mysql', 'mongodb', 'tidb']),
    flavour: z.enum(['mariadb', 'mysql', 'percona', 'mongodb', 'tidb']),
    policy: id,
    homeSite: id,
    members: z.array(memberSchema).min(1).max(50),
    paused: z.strictObject({ until: instant, reason: z.string().min(1).max(500) }).optional(),
    retired: z.boolean().optional(),
  })
  .superRefine((cluster, context) => {
    const seen = new Set<string>();
    cluster.members.forEach((member, i) => {
      if (seen.has(member.memberId)) {
        context.addIssue({
          code: 'custom',
          path: ['members', i, 'memberId'],
          message: `${member.memberId} is used twice`,
        });
      }
      seen.add(member.memberId);
    });
  });

/** A cluster as the catalog holds it. */
export const clusterRecordSchema = z.object({
  v: z.literal(1),
  document: clusterDocumentSchema,
  state: z.enum(['checking', 'registered']),
  registeredAt: instant,
  /** An order to back up outside the schedule, e.g. after a suspect backup. */
  ordered: z.object({ level: z.enum(['full', 'incremental']), reason: z.string(), at: instant }).optional(),
});

export type Credential = z.infer<typeof credentialSchema>;
export type Member = z.infer<typeof memberSchema>;
export type ClusterDocument = z.infer<typeof clusterDocumentSchema>;
export type ClusterRecord = z.infer<typeof clusterRecordSchema>;
