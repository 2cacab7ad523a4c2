import type { Login } from '../login.ts';
import { type Session, withSession } from '../session.ts';

/** The live server, as whoever brings tables sees it. */
export type Live = {
  session: Session;
  login: Login;
  datadir: string;
  /** `max_allowed_packet`. */
  packetBytes: number;
};

/** Nothing that the restored rows were not checked for when they were written the first time is checked now. */
const asStored = "SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION', foreign_key_checks=0";

export const writeAsStored = (session: Session) =>
  session.run(session.words.family === 'mysql' ? asStored : `${asStored}, check_constraint_checks=0`);

/** Runs `work` in a session of which nothing comes into the log; its account needs BINLOG ADMIN. */
export const withoutLog = <T>(login: Login, signal: AbortSignal, work: (session: Session) => Promise<T>) =>
  withSession(login, signal, async (session) => {
    await session.run('SET SESSION sql_log_bin=0');
    return work(session);
  });

/**
 * Runs `work` in a session whose statements come into the log as the rows that they write, since those that follow it
 * do not have the table that the rows are read of.
 */
export const withRowsInLog = <T>(login: Login, signal: AbortSignal, work: (session: Session) => Promise<T>) =>
  withSession(login, signal, async (session) => {
    await writeAsStored(session);
    const format = async () => (await session.rows('SELECT @@SESSION.binlog_format AS f'))[0]?.f;
    if ((await format()) !== 'ROW') await session.run("SET SESSION binlog_format='ROW'");
    if ((await format()) !== 'ROW') throw new Error('the log of its statements cannot be one of rows');
    await session.run('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
    return work(session);
  });
