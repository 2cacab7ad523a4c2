import { z } from 'zod';

/** Ids of clusters, hosts, members, policies and sites. Words that begin other prefixes of the bucket are refused. */
export const id = z
  .string()
  .regex(/^[a-z0-9-]{1,40}$/, 'must match ^[a-z0-9-]{1,40}$')
  .refine((v) => v !== 'receipts' && v !== 'registry', 'receipts and registry are reserved');

/** Host ids are SSM node ids (`i-0abc…`, `mi-0abc…`); local ones look the same. */
export const hostId = id;

/** Minted by the control plane, random: a key that can be guessed can be occupied by another host. */
export const mintedId = z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'must match ^[A-Za-z0-9-]{1,64}$');

/** A planned UTC instant, `20261123T0200Z`. */
export const slotId = z.string().regex(/^\d{8}T\d{4}Z$/, 'must look like 20261123T0200Z');

/** An instant in ISO 8601 with milliseconds, always UTC. */
export const instant = z.iso.datetime({ precision: 3 });

/** Name of a stream within a backup; `main` where there is one. */
export const streamName = z.string().regex(/^[a-z0-9-]{1,40}$/);

/** Eight lower-case hex digits. */
export const crc32Hex = z.string().regex(/^[0-9a-f]{8}$/);
export const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/);
