import { dirname } from 'node:path';
import { roleOf } from '../eligibility.ts';
import type { Login } from '../login.ts';
import { readServerFacts, type ServerFacts } from '../server-facts.ts';
import { openSession, type Row, type Session } from '../session.ts';
import type { LogFlavour } from './gtid-state.ts';

/** What a server says of its binary log. */
export type LogLook = {
  flavour: LogFlavour;
  version: string;
  uuid: string;
  serverId: number;
  /** Whether its transactions have GTIDs: those of MariaDB always, those of MySQL with gtid_mode=ON. */
  gtids: boolean;
  role: 'primary' | 'replica' | 'standalone';
  /** Another one with each new connection: a server that was started again broke the one before. */
  connection: number;
  directory: string;
  /** Why its log cannot be archived; empty when it can. */
  unfit: string[];
  /** Of these: why it writes something that no log will ever have. */
  unlogged: string[];
  /** Files from the oldest to the open one. */
  files: string[];
  /** Up to here the server would send it to a replica: the open file, and how much of it. */
  at: { file: string; offset: number };
  /** What the log holds. */
  gtid: string;
};

export type LogSource = {
  look: () => Promise<LogLook>;
  /** Whether the server has committed all of these; MySQL writes its log before it does. */
  committed: (gtid: string) => Promise<boolean>;
  close: () => Promise<void>;
};

/** How often variables are read again: they say whether the log may be archived at all. */
const factsSeconds = 60;

/** What a server writes into no log at all: nothing behind it can be joined to what is before, and no GTID tells (M03). */
export function logLeavesOut(
  { variables }: Pick<ServerFacts, 'variables'>,
  replica: boolean,
  status: Row,
): string[] {
  if (variables.log_bin !== 'ON') return ['log_bin is OFF: the server writes no binary log'];
  const reasons: string[] = [];
  if (replica && (variables.log_slave_updates ?? variables.log_replica_updates) !== 'ON') {
    reasons.push('log_slave_updates is OFF: this replica does not write what it applies into its own log');
  }
  const filters = [status.Binlog_Do_DB, status.Binlog_Ignore_DB].filter((text) => (text ?? '') !== '');
  if (filters.length > 0) reasons.push(`the log leaves out schemas: ${filters.join(', ')}`);
  return reasons;
}

/** Why a log cannot be read or joined, from the server's variables (M02, M03). */
export function logUnfit({ version, variables }: Pick<ServerFacts, 'version' | 'variables'>): string[] {
  const mariadb = version.includes('MariaDB');
  const reasons: string[] = [];
  if (variables.encrypt_binlog === 'ON' || variables.binlog_encryption === 'ON') {
    reasons.push('the binary log is encrypted on disk, and this version archives it from there');
  }
  if ((variables.binlog_storage_engine ?? '') !== '') {
    reasons.push(`binlog_storage_engine=${variables.binlog_storage_engine} has no log files to archive`);
  }
  if (variables.wsrep_on === 'ON') reasons.push('the log of a Galera node is not archived in this version');
  if (!mariadb && variables.gtid_mode !== 'ON' && variables.gtid_mode !== 'OFF') {
    reasons.push(
      `gtid_mode is ${variables.gtid_mode ?? 'unknown'}: in between transactions have GTIDs or none; the log is archived with ON or OFF`,
    );
  }
  return reasons;
}

/** Asks one server about its log, over a session that is opened again when it breaks, with the password of then. */
export function openLogSource(login: () => Promise<Login>, signal: AbortSignal): LogSource {
  let session: Session | undefined;
  let connection = 0;
  let facts: { of: ServerFacts; until: number } | undefined;
  let files: { open: string; names: string[] } | undefined;

  const fresh = async (): Promise<Session> => {
    if (session === undefined) {
      session = await openSession(await login(), signal);
      connection += 1;
    }
    return session;
  };
  const drop = async () => {
    const broken = session;
    session = undefined;
    facts = undefined;
    files = undefined;
    await broken?.close();
  };
  /** Nothing that was known holds for the server behind a new connection. */
  const asking = async <T>(work: (session: Session) => Promise<T>): Promise<T> => {
    try {
      return await work(await fresh());
    } catch (error) {
      await drop();
      throw error;
    }
  };

  const status = async (of: Session, mariadb: boolean): Promise<Row> => {
    const words = mariadb ? ['SHOW MASTER STATUS'] : ['SHOW BINARY LOG STATUS', 'SHOW MASTER STATUS'];
    for (const [i, word] of words.entries()) {
      try {
        return (await of.rows(word))[0] ?? {};
      } catch (error) {
        // The older word is unknown to newer servers and the other way round.
        if (i + 1 === words.length || (error as { errno?: number }).errno !== 1064) throw error;
      }
    }
    return {};
  };

  const look = async (of: Session): Promise<LogLook> => {
    if (facts === undefined || facts.until < performance.now()) {
      facts = { of: await readServerFacts(of), until: performance.now() + factsSeconds * 1000 };
    }
    const { version, variables, uuid, serverId } = facts.of;
    const mariadb = version.includes('MariaDB');
    // Before the list of files: what is listed later than this file is beyond what may be read now.
    const shown = await status(of, mariadb);
    const role = roleOf(facts.of);
    const [state] = await of.rows(
      mariadb ? 'SELECT @@GLOBAL.gtid_binlog_pos AS gtid' : 'SELECT @@GLOBAL.gtid_executed AS gtid',
    );
    const unlogged = logLeavesOut(facts.of, role === 'replica', shown);
    const file = shown.File ?? '';
    if (file !== '' && files?.open !== file) {
      const names = (await of.rows('SHOW BINARY LOGS')).map((row) => row.Log_name ?? '');
      files = { open: file, names };
    }
    return {
      flavour: mariadb ? 'mariadb' : 'mysql',
      version,
      uuid,
      serverId,
      gtids: mariadb || variables.gtid_mode === 'ON',
      role,
      connection,
      directory: dirname(variables.log_bin_basename ?? ''),
      unlogged,
      unfit: [...unlogged, ...(variables.log_bin === 'ON' ? logUnfit(facts.of) : [])],
      files: files?.names.slice(0, files.names.indexOf(file) + 1) ?? [],
      at: { file, offset: Number(shown.Position ?? 0) },
      gtid: (state?.gtid ?? '').replace(/\s+/g, ''),
    };
  };

  return {
    look: () => asking(look),
    committed: (gtid) =>
      asking(async (of) => {
        if (gtid === '' || facts?.of.version.includes('MariaDB')) return true;
        const [row] = await of.rows('SELECT GTID_SUBSET(?, @@GLOBAL.gtid_executed) AS has', [gtid]);
        return row?.has === '1';
      }),
    close: drop,
  };
}
