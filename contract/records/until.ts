import { z } from 'zod';
import { mintedId } from './ids.ts';

/** UTC, to the microsecond at most: `2026-11-25T14:03:00Z`. */
const moment = z.iso.datetime({
  error: 'must be a time in UTC, such as 2026-11-25T14:03:00Z or 2026-11-25T14:03:00.250000Z',
});

const oneGtid = z
  .string()
  .regex(
    /^(?:\d{1,10}-\d{1,10}-\d{1,20}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?::[a-z_][a-z0-9_]{0,31})?:\d{1,19})$/,
    'must be the GTID of one transaction: domain-server-sequence, or uuid[:tag]:number',
  );

/** The name of a log file, as the server lists it. */
const logFile = z
  .string()
  .max(255)
  .regex(/^[^/\0]+\.\d{6,10}$/, 'must be the name of a log file, such as binlog.000042');

/** Where two histories bear the same GTID. */
const timeline = mintedId.optional();

/**
 * Up to where a restore replays the archived log: everything, everything committed at or before a time, everything
 * up to one transaction with or without it, in the order of the log, or, where the log has no GTIDs, everything before
 * a place in one of its files.
 */
export const untilSchema = z.union([
  z.literal('latest'),
  z.strictObject({ time: moment, timeline }),
  z.strictObject({ gtid: oneGtid, timeline }),
  z.strictObject({ beforeGtid: oneGtid, timeline }),
  z.strictObject({ file: logFile, offset: z.int().min(4), timeline }),
]);

export type Until = z.infer<typeof untilSchema>;

/** Microseconds since 1970 of a time in UTC. A double holds them exactly until the year 2255. */
export function microseconds(time: string): number {
  const fraction = /\.(\d+)/.exec(time)?.[1] ?? '';
  const micros = Number(fraction.slice(0, 6).padEnd(6, '0'));
  return Math.floor(Date.parse(time) / 1000) * 1_000_000 + micros;
}

/** The time in UTC of microseconds since 1970. */
export const momentOf = (micros: number): string => {
  const seconds = new Date(Math.floor(micros / 1_000_000) * 1000).toISOString().slice(0, 19);
  const rest = micros % 1_000_000;
  return rest === 0 ? `${seconds}Z` : `${seconds}.${String(rest).padStart(6, '0')}Z`;
};
