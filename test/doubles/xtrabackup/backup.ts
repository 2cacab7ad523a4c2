import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Connection, createConnection } from 'mysql2/promise';
import { parseClientOptions } from '../../../runner/engines/mysql/option-file.ts';
import { chunkOf } from '../xbstream-writer.ts';
import { deltaOf, metaOf } from './delta.ts';
import { strike } from './misbehaviour.ts';
import { openOutputs } from './outputs.ts';
import { pack, readKey } from './packed.ts';
import type { Call } from './prepare.ts';
import { joinRedo } from './redo.ts';
import { endWith, say } from './say.ts';

const chunkBytes = 1024 * 1024;
const notInnodb = /\.(?:MYD|MYI|CSV|CSM|ARZ|ARM|MRG|sdi|opt|isl)$/;

type Rows = Record<string, string | number | null>[];
const rowsOf = async (connection: Connection, sql: string) => (await connection.query(sql))[0] as Rows;

async function connect(options: Call['options']): Promise<Connection> {
  const { user = 'root', password } = parseClientOptions(
    readFileSync(options.get('defaults') ?? '/dev/null', 'utf8'),
  );
  const socket = options.get('socket');
  say(
    `Connecting to MySQL server host: localhost, user: ${user}, password: ${password === undefined ? 'not set' : 'set'}, socket: ${socket}`,
  );
  return createConnection({
    ...(socket === undefined
      ? { host: options.get('host') ?? '127.0.0.1', port: Number(options.get('port') ?? 3306) }
      : { socketPath: socket }),
    user,
    ...(password === undefined ? {} : { password }),
  });
}

/** --backup of a running server. */
export async function backup(call: Call): Promise<void> {
  const { options, version, plan, files } = call;
  const outputs = await openOutputs(call);
  const [connection, locking] = [await connect(options), await connect(options)];
  const rows = (sql: string) => rowsOf(connection, sql);
  const [server] = await rows(
    'SELECT VERSION() AS version, @@datadir AS datadir, @@tmpdir AS tmp, @@log_bin_basename AS log, @@server_uuid AS uuid',
  );
  const serverVersion = String(server?.version);
  say(`Using server version ${serverVersion}`);
  if (!serverVersion.startsWith(`${version.split('.').slice(0, 2).join('.')}.`)) {
    say(`Unsupported server version ${serverVersion}`, 'ERROR');
    endWith(1);
  }
  const blocksDdl = !/^(?:OFF|0|FALSE|REDUCED)$/i.test(options.get('lock-ddl') ?? 'ON');
  const lockDdl = async () => {
    say('Executing LOCK INSTANCE FOR BACKUP ...');
    await connection.query(
      `SET SESSION lock_wait_timeout=${Number(options.get('lock-ddl-timeout') ?? 31536000)}`,
    );
    await connection.query('LOCK INSTANCE FOR BACKUP');
  };
  if (blocksDdl) await lockDdl();
  say('uses posix_fadvise().');
  say(`cd to ${server?.datadir}`);

  // The server's own copy is consistent; that it stands still for it is the double's, the real one follows the redo.
  const [old] = await rows(
    `SELECT COUNT(*) AS n FROM information_schema.TABLES WHERE ENGINE NOT IN ('InnoDB','CSV','PERFORMANCE_SCHEMA')
     AND TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA NOT IN ('mysql','performance_schema','sys')`,
  );
  const clone = join(String(server?.tmp), `clone-of-double-${process.pid}`);
  const total = 40 * chunkBytes;
  const at = plan !== undefined && 'at' in plan ? plan.at : undefined;
  let written = 0;
  let struck = at === undefined;
  const misbehave = async (): Promise<void> => {
    struck = true;
    if (plan === undefined) return;
    strike(files, `${plan.do} at ${written}`);
    rmSync(clone, { recursive: true, force: true });
    switch (plan.do) {
      case 'fail':
        say(plan.says, 'ERROR');
        return endWith(plan.code);
      case 'redo-overrun':
        say('log block numbers mismatch:', 'ERROR');
        say('expected log block no. 1234, but got no. 99 from the log file.', 'ERROR');
        say(
          'it looks like InnoDB log has wrapped around before xtrabackup could process all records',
          'ERROR',
        );
        return endWith(1);
      case 'cut':
      case 'cut-chunk':
        say('completed OK!');
        return endWith(0);
      case 'die':
        process.kill(process.pid, plan.signal);
        return new Promise(() => {});
      case 'hang':
        setInterval(() => {}, 60_000);
        return new Promise(() => {});
    }
  };
  const due = () => !struck && at !== undefined && written >= at * total;
  const key = options.get('encrypt-key-file');
  const compress = options.has('compress') ? options.get('compress') || 'zstd' : undefined;
  const packing = {
    ...(compress === undefined ? {} : { compress }),
    ...(options.has('encrypt') && key !== undefined
      ? { key: readKey(key, options.get('encrypt') ?? '') }
      : {}),
  };
  const stream = async (path: string, content: Buffer, thread = 2) => {
    if (plan?.do === 'skip' && path.startsWith(`${plan.table}.`)) return strike(files, `skip ${path}`);
    if (plan?.do === 'forget' && path === plan.file) return strike(files, `forget ${path}`);
    const [name, bytes] = pack(path, content, packing);
    say(`Streaming ./${path}`, 'Note', thread);
    for (let from = 0; from < bytes.length; from += chunkBytes) {
      if (due() && plan?.do === 'cut-chunk') {
        const chunk = chunkOf.payload(name, bytes.subarray(from, from + chunkBytes), from);
        await outputs.write(name, chunk.subarray(0, 100));
      }
      if (due()) await misbehave();
      const chunk = chunkOf.payload(name, bytes.subarray(from, from + chunkBytes), from);
      await outputs.write(name, chunk);
      written += chunk.length;
    }
    await outputs.write(name, chunkOf.end(name));
    say(`Done: Streaming ./${path}`, 'Note', thread);
  };
  if (due()) await misbehave();

  if (!blocksDdl && /^REDUCED$/i.test(options.get('lock-ddl') ?? '')) await lockDdl();
  if (Number(old?.n) > 0) say('Executing FLUSH TABLES WITH READ LOCK...');
  await locking.query('FLUSH TABLES WITH READ LOCK');
  const logged = await rows('SHOW VARIABLES LIKE "log_bin"');
  const log = String(logged[0]?.Value) === 'ON';
  if (log) {
    say('Executing FLUSH NO_WRITE_TO_BINLOG BINARY LOGS');
    await locking.query('FLUSH NO_WRITE_TO_BINLOG BINARY LOGS');
  }
  say('Selecting LSN and binary log position from p_s.log_status');
  const [status] = await rows(
    'SELECT LOCAL AS local, STORAGE_ENGINES AS engines FROM performance_schema.log_status',
  );
  const parsed = <T>(value: unknown) => (typeof value === 'string' ? JSON.parse(value) : value) as T;
  const local = parsed<{ gtid_executed: string; binary_log_file: string; binary_log_position: number }>(
    status?.local,
  );
  const { LSN, LSN_checkpoint } = parsed<{ InnoDB: { LSN: number; LSN_checkpoint: number } }>(
    status?.engines,
  ).InnoDB;
  const gtid = local.gtid_executed.replaceAll('\n', '');
  await connection.query(`CLONE LOCAL DATA DIRECTORY = '${clone}'`);
  say('>> log scanned up to (20351037)', 'Note', 1);

  const cloned = readdirSync(clone, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(clone.length + 1))
    .filter((path) => !path.startsWith('#clone'))
    .sort();
  const fromLsn = options.get('incremental-lsn');
  for (const path of cloned.filter((name) => !name.startsWith('#') && name !== 'ib_buffer_pool')) {
    const content = readFileSync(join(clone, path));
    if (fromLsn === undefined) await stream(path, content);
    else {
      await stream(`${path}.meta`, Buffer.from(metaOf(content)));
      await stream(`${path}.delta`, deltaOf(content, BigInt(fromLsn)));
    }
  }
  say('Starting to backup non-InnoDB tables and files');
  const datadir = options.get('datadir') ?? String(server?.datadir);
  const others = readdirSync(datadir, { recursive: true, encoding: 'utf8' }).filter((name) =>
    notInnodb.test(name),
  );
  for (const path of others.sort()) await stream(path, readFileSync(join(datadir, path)), 3);
  say('Finished backing up non-InnoDB tables and files');
  if (log) {
    const file = join(String(server?.log), '..', local.binary_log_file);
    await stream(local.binary_log_file, readFileSync(file).subarray(0, local.binary_log_position), 3);
    await stream(`${basename(String(server?.log))}.index`, Buffer.from(`${file}\n`), 3);
  }
  const text = (path: string, content: string) => stream(path, Buffer.from(content), 0);
  if (options.has('slave-info')) {
    const channels = await rows('SHOW REPLICA STATUS');
    const words = version.startsWith('8.0') ? ['MASTER', 'MASTER'] : ['REPLICATION SOURCE', 'SOURCE'];
    const statements = channels.map(
      ({ Channel_Name }) =>
        `CHANGE ${words[0]} TO ${words[1]}_AUTO_POSITION=1${Channel_Name ? ` FOR CHANNEL '${Channel_Name}'` : ''};\n`,
    );
    if (channels.length > 0)
      await text('xtrabackup_slave_info', `SET GLOBAL gtid_purged='${gtid}';\n${statements.join('')}`);
  }
  if (log)
    await text('xtrabackup_binlog_info', `${local.binary_log_file}\t${local.binary_log_position}\t${gtid}\n`);
  say('Executing FLUSH NO_WRITE_TO_BINLOG ENGINE LOGS...');
  say(`The latest check point (for incremental): '${LSN_checkpoint}'`);
  say(`Stopping log copying thread at LSN ${LSN}`);
  const redo = joinRedo(
    cloned
      .filter((path) => path.startsWith('#innodb_redo/'))
      .map((path) => ({ path, bytes: readFileSync(join(clone, path)) })),
  );
  const half = plan?.do === 'incomplete-redo';
  if (half) strike(files, 'incomplete redo');
  await stream('xtrabackup_logfile', half ? redo.subarray(0, redo.length / 2) : redo, 1);
  await locking.query('UNLOCK TABLES');
  say('Executing UNLOCK INSTANCE');
  await connection.query('UNLOCK INSTANCE');
  say('All tables unlocked');
  await stream('ib_buffer_pool', readFileSync(join(clone, 'ib_buffer_pool')), 0);
  rmSync(clone, { recursive: true, force: true });

  const checkpoints = `backup_type = ${fromLsn === undefined ? 'full-backuped' : 'incremental'}\nfrom_lsn = ${fromLsn ?? 0}\nto_lsn = ${LSN_checkpoint}\nlast_lsn = ${LSN}\nflushed_lsn = ${LSN}\nredo_memory = 0\nredo_frames = 0\n`;
  const info = [
    `uuid = ${server?.uuid}`,
    'name = ',
    'tool_name = xtrabackup',
    `tool_command = ${process.argv.slice(3).join(' ')}`,
    `tool_version = ${version}`,
    `ibbackup_version = ${version}`,
    `server_version = ${serverVersion}`,
    ...(version.startsWith('8.0') ? [] : ['server_flavor = MySQL']),
    `start_time = ${new Date().toISOString().slice(0, 19).replace('T', ' ')}`,
    `end_time = ${new Date().toISOString().slice(0, 19).replace('T', ' ')}`,
    'lock_time = 1',
    `binlog_pos = filename '${local.binary_log_file}', position '${local.binary_log_position}', GTID of the last change '${gtid}'`,
    `innodb_from_lsn = ${fromLsn ?? 0}`,
    `innodb_to_lsn = ${LSN_checkpoint}`,
    'partial = N',
    `incremental = ${fromLsn === undefined ? 'N' : 'Y'}`,
    'format = xbstream',
    `compressed = ${compress ?? 'N'}`,
    `encrypted = ${options.has('encrypt') ? 'Y' : 'N'}`,
    '',
  ].join('\n');
  await text('xtrabackup_checkpoints', checkpoints);
  await text(
    'backup-my.cnf',
    `# This MySQL options file was generated by XtraBackup.\n\n# The MySQL server\n[mysqld]\ninnodb_checksum_algorithm=crc32\ninnodb_log_checksums=1\ninnodb_data_file_path=ibdata1:12M:autoextend\ninnodb_page_size=16384\ninnodb_undo_directory=./\ninnodb_undo_tablespaces=2\nserver_id=0\ninnodb_redo_log_encrypt=OFF\ninnodb_undo_log_encrypt=OFF\nserver_uuid=${server?.uuid}\nmaster_key_id=0\n`,
  );
  await text('xtrabackup_info', info);
  await text('xtrabackup_tablespaces', '{"version":2,"external_tablespaces":[],"space_ids":{}}');
  const extra = options.get('extra-lsndir');
  if (extra !== undefined) {
    mkdirSync(extra, { recursive: true });
    writeFileSync(join(extra, 'xtrabackup_checkpoints'), checkpoints);
    writeFileSync(join(extra, 'xtrabackup_info'), info);
  }
  if (!struck) await misbehave();
  outputs.close();
  await Promise.all([connection.end(), locking.end()]);
  say(`MySQL binlog position: filename '${local.binary_log_file}', position '${local.binary_log_position}'`);
  say(`Transaction log of lsn (${LSN_checkpoint}) to (${LSN}) was copied.`);
  say('completed OK!');
}
