import { z } from 'zod';
import { tableNameSchema } from '../mysql-files/relations.ts';
import { positionSchema } from '../positions/position.ts';
import { siteRefSchema } from './backup.ts';
import { chainSchema } from './chain.ts';
import { clusterDocumentSchema, memberSchema } from './cluster.ts';
import { id, mintedId, sha256Hex } from './ids.ts';
import { logOrderSchema } from './log-order.ts';
import { policySchema } from './policy.ts';
import { restoreTargetSchema } from './restore-target.ts';

/** A table to bring back, and the name that it gets beside the live one, in the same schema. */
export const wantedTableSchema = z.object({ ...tableNameSchema.shape, as: z.string().min(1).max(64) });

/** More than these are restored faster as a whole. */
export const mostTables = 50;

/**
 * Brings tables of a backup back beside the live ones of a member. A scratch instance works in `target.directory` of
 * the member's host, is reached by nobody, and is removed when the job ends.
 */
export const restoreTablesOrderSchema = z.object({
  kind: z.literal('restore-tables'),
  clusterId: id,
  backupId: mintedId,
  engine: clusterDocumentSchema.shape.engine,
  flavour: clusterDocumentSchema.shape.flavour,
  site: siteRefSchema,
  target: restoreTargetSchema,
  manifestSha256: sha256Hex,
  policy: policySchema.pick({ stallSeconds: true, memoryMiB: true }),
  member: memberSchema,
  tables: z.array(wantedTableSchema).min(1).max(mostTables),
  /** Tables that these point to with foreign keys, to their ends: read, and not brought back. */
  ancestors: z.array(tableNameSchema),
  /** Of an incremental: the full it begins with and every incremental up to the backup itself, base first. */
  chain: chainSchema.optional(),
  /** Where the tables shall be as they were at a point of the log: what is replayed of it. */
  log: logOrderSchema.optional(),
});

/**
 * How rows come beside the live table. `copy`: through logged SQL, so that replicas and the archive get them too;
 * `import`: as a tablespace, where nobody follows this server (M05).
 */
export const waySchema = z.enum(['copy', 'import']);

/** What a member said of taking these tables. */
export const tablesInspectionSchema = z.object({
  way: waySchema,
  /** Named errors, each with what would be right; empty where it may go on. */
  refusals: z.array(z.object({ name: z.string(), cause: z.string() })),
  /** The scratch directory and the member's data lie on one file system, and so share its room. */
  sameDisk: z.boolean(),
});

export const restoredTableSchema = z.object({
  ...wantedTableSchema.shape,
  rows: z.number(),
  way: waySchema,
  /** What of the table was not brought along (foreign keys), and why it was copied where others were imported. */
  notes: z.array(z.string()),
});

export const restoreTablesResultSchema = z.object({
  kind: z.literal('restore-tables'),
  jobId: mintedId,
  backupId: mintedId,
  memberId: id,
  position: positionSchema.nullable(),
  /** Of the wanted tables with what was recorded at backup time. */
  comparison: z.enum(['exact', 'bounded']),
  tables: z.array(restoredTableSchema),
  /** Of the files that were read, before compression. */
  bytes: z.number(),
  seconds: z.record(z.string(), z.number()),
});

export type WantedTable = z.infer<typeof wantedTableSchema>;
export type RestoreTablesOrder = z.infer<typeof restoreTablesOrderSchema>;
export type Way = z.infer<typeof waySchema>;
export type TablesInspection = z.infer<typeof tablesInspectionSchema>;
export type RestoredTable = z.infer<typeof restoredTableSchema>;
export type RestoreTablesResult = z.infer<typeof restoreTablesResultSchema>;
