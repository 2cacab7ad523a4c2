import { randomBytes } from 'node:crypto';

/** Sources of ids; random, because a key that can be guessed can be occupied by another host. */
export type Mint = { backupId(now: Date): string; jobId(): string };

/** `20261123T010007Z-9f2c41d07ab86e35` and `job-5b0e7d1c42f94a6f8e13`: 64 and 80 random bits. */
export const mint: Mint = {
  backupId: (now) =>
    `${now.toISOString().slice(0, 19).replace(/[-:]/g, '')}Z-${randomBytes(8).toString('hex')}`,
  jobId: () => `job-${randomBytes(10).toString('hex')}`,
};
