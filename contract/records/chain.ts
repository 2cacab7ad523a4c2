import { z } from 'zod';
import { mintedId, sha256Hex } from './ids.ts';

/** A full backup and the incrementals on it, base first, each with the SHA-256 of its manifest's bytes as recorded. */
export const chainSchema = z
  .array(z.object({ backupId: mintedId, manifestSha256: sha256Hex }))
  .min(2)
  .max(201);
