import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ToolFiles } from './misbehaviour.ts';
import { readPlan, strike } from './misbehaviour.ts';

/**
 * mariadb-backup 10.11 as a child of the runner sees it: the arguments it takes and refuses, its stages with the
 * server's real locks, its lines on stderr, xbstream on stdout, plain copies in --extra-lsndir, exit codes. The files
 * it streams are the beginnings of the server's own. It misbehaves as its plan says, and reports where it does.
 */
const files = JSON.parse(process.argv[2] ?? '') as ToolFiles;
const args = process.argv.slice(3);
const plan = readPlan(files);
const version = readFileSync(files.version, 'utf8').trim();
const known =
  /^--(defaults-file|stream|extra-lsndir|target-dir|tmpdir|datadir|socket|host|port|protocol|parallel|open-files-limit|incremental-lsn)=|^--(backup|innodb-log-checkpoint-now|slave-info)$/;
const unknown = args.find((arg) => !known.test(arg));
if (unknown !== undefined) {
  process.stderr.write(`mariadb-backup: unknown option '${unknown}'\n`);
  process.exit(2);
}
const option = (name: string) => args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
if (!args[0]?.startsWith('--defaults-file=') || !args.includes('--backup')) {
  process.stderr.write('Open source backup tool for InnoDB and XtraDB\n');
  process.exit(1);
}

// What follows needs a server; --version must be quick.
const { createConnection } = await import('mysql2/promise');
const { filesOf, part, readPart } = await import('./contents.ts');
const { parseClientOptions } = await import('../../../runner/engines/mysql/option-file.ts');
const { makeWriter } = await import('./writer.ts');

const say = (line: string) =>
  process.stderr.write(`[00] ${new Date().toISOString().replace('T', ' ').slice(0, 19)} ${line}\n`);
const { user = 'root', password } = parseClientOptions(readFileSync(option('defaults-file')!, 'utf8'));
const connection = await createConnection({
  ...(option('socket') === undefined
    ? { host: option('host') ?? '127.0.0.1', port: Number(option('port') ?? 3306) }
    : { socketPath: option('socket')! }),
  user,
  ...(password === undefined ? {} : { password }),
});
const rows = async (sql: string) => (await connection.query(sql))[0] as Record<string, unknown>[];

const datadir = option('datadir')!;
const listed = filesOf(datadir);
const optionFile = option('defaults-file')!;
const write = makeWriter({ plan, files, say, optionFile, datadir, listed });
say(`Connecting to MariaDB server host: localhost, user: ${user}, socket: ${option('socket')}`);
say(`Using server version ${version}-MariaDB-log`);

const copy = async (stage: Parameters<typeof listed.get>[0]) => {
  for (const path of listed.get(stage) ?? []) {
    if (plan?.do === 'skip' && path.startsWith(`${plan.table}.`)) {
      strike(files, `skip ${path}`);
      continue;
    }
    const found = readPart(datadir, path);
    if (found === undefined) continue;
    say(`Streaming ./${path}`);
    if (option('incremental-lsn') !== undefined && /\.ibd$|^ibdata1$/.test(path)) {
      await write(part(`${path}.meta`, 'page_size = 16384\nzip_size = 0 \nspace_id = 5\n'));
      await write(part(`${path}.delta`, Buffer.concat([Buffer.from('XTRA'), Buffer.alloc(16_380, 0xff)])));
      continue;
    }
    await write(found);
    if (/^mysql\/.*\.MAD$/.test(path)) say(`aria table file ./${path} is copied successfully.`);
  }
};
const lock = async (stage: string, word = 'Starting') => {
  say(`${word} BACKUP STAGE ${stage}`);
  if (plan?.do === 'kill-waiting' && stage === 'BLOCK_DDL') {
    strike(files, `waiting for ${stage}`);
    setTimeout(() => process.kill(process.ppid, 'SIGKILL'), 300);
  }
  await connection.query(`BACKUP STAGE ${stage}`);
  say(`Acquired locks for BACKUP STAGE ${stage}`);
};

await lock('START');
await copy('START');
say('Finished BACKUP STAGE START');
await lock('FLUSH');
say('Finished BACKUP STAGE FLUSH');
await lock('BLOCK_DDL', 'Started');
await copy('BLOCK_DDL');
say('Finished BACKUP STAGE BLOCK_DDL');
await lock('BLOCK_COMMIT');
await copy('BLOCK_COMMIT');
await write(part('aria_log.00000001', 'tail of the log'));
const status = (await rows('SHOW MASTER STATUS'))[0];
const gtids = (await rows('SELECT @@GLOBAL.gtid_binlog_pos AS log, @@GLOBAL.gtid_slave_pos AS slave'))[0];
if (args.includes('--slave-info')) {
  const position = `SET GLOBAL gtid_slave_pos = '${gtids?.slave}';\nCHANGE MASTER TO master_use_gtid = slave_pos;\n`;
  await write(part('xtrabackup_slave_info', position));
}
const where = `${status?.File}\t${status?.Position}\t${gtids?.log}\n`;
if (status !== undefined) await write(part('xtrabackup_binlog_info', where));
say('Finishing BACKUP STAGE BLOCK_COMMIT');
say('Starting BACKUP STAGE END');
await connection.query('BACKUP STAGE END');
say('All tables unlocked');
await connection.end();

// The tool echoes whatever LSN it was given.
const from = option('incremental-lsn');
const to = Number(from ?? 0) + 42;
const checkpoints = `backup_type = ${from === undefined ? 'full-backuped' : 'incremental'}\nfrom_lsn = ${from ?? 0}\nto_lsn = ${to}\nlast_lsn = ${to + 10}\nrecover_binlog_info = 0\n`;
const info = `tool_name = mariadb-backup\ntool_version = ${version}-MariaDB\nserver_version = ${version}-MariaDB\nformat = mbstream\n`;
await write(part('ib_logfile0', Buffer.alloc(12_288, 'redo')));
await write(part('xtrabackup_checkpoints', checkpoints));
await write(part('backup-my.cnf', '[mysqld]\ninnodb_page_size=16384\n'));
await write(part('xtrabackup_info', info));
mkdirSync(option('extra-lsndir')!, { recursive: true });
writeFileSync(join(option('extra-lsndir')!, 'xtrabackup_checkpoints'), checkpoints);
await write(undefined);
say('Redo log (from LSN 42 to 52) was copied.');
say('completed OK!');
