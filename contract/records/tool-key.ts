import { z } from 'zod';
import type { XtrabackupSettings } from './tool-settings.ts';

/** Bytes of a key, as the tool wants it. */
export const keyBytes = { AES128: 16, AES192: 24, AES256: 32 } as const;

/**
 * The key that a tool encrypted a backup's files with, never the key itself: where a host has it (a file, or a secret
 * `holdfast/<host>/<name>`), and what tells it from another: 32 bits of its SHA-256, too few to find it by.
 */
export const toolKeySchema = z.object({
  kind: z.enum(['file', 'secret']),
  name: z.string().max(1000),
  algorithm: z.enum(['AES128', 'AES192', 'AES256']),
  check: z.string().regex(/^[0-9a-f]{8}$/),
});

export type ToolKey = z.infer<typeof toolKeySchema>;
export type KeyPlace = Omit<ToolKey, 'check'>;

/** Where the hosts of a policy have its key. */
export const keyPlace = ({
  algorithm,
  keyFile,
  keySecret,
}: NonNullable<XtrabackupSettings['encrypt']>): KeyPlace =>
  keySecret === undefined
    ? { kind: 'file', name: keyFile ?? '', algorithm }
    : { kind: 'secret', name: keySecret, algorithm };
