import { appendFile, readFile } from 'node:fs/promises';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { MysqlPosition } from '../../../../contract/positions/position.ts';
import type { BackupOrder } from '../../../../contract/records/job.ts';
import { freeBytes } from '../../../host/disks.ts';
import type { BackupFacts, EngineContext, Sinks } from '../../engine.ts';
import { roleOf } from '../eligibility.ts';
import { accountsHash, schemaHash } from '../fingerprint/definitions.ts';
import { type OpenFingerprint, openFingerprint } from '../fingerprint/take.ts';
import { readUserTables } from '../fingerprint/user-tables.ts';
import { type Login, resolveLogin, writeToolOptions } from '../login.ts';
import { describeServer } from '../manifest-facts.ts';
import { originOf } from '../origin.ts';
import { readPlugins } from '../plugins.ts';
import { samePosition } from '../position.ts';
import { readRelations } from '../relations.ts';
import { readPlaces, readServerFacts, type ServerFacts } from '../server-facts.ts';
import { openSession, type Session, withSession } from '../session.ts';
import { type StandingApplier, stopForBackup } from '../standing-applier.ts';
import { type Archive, makeArchive } from './archive.ts';
import type { Definition } from './definition.ts';
import { encodeDefinitions } from './definition.ts';
import { makeFileNames, type TableRef } from './dump-files.ts';
import { dumpPosition } from './dump-position.ts';
import { type DumpRun, startDump } from './dump-run.ts';
import { dumpArguments, dumperLine, dumperSession } from './dumper.ts';
import { findDumper } from './find-dumper.ts';
import { dumpFaults, keyOf, type SeenDump, standsStill } from './judge-dump.ts';
import { logicalNeeds } from './manifest-facts.ts';
import { type DumpMetadata, parseDumpMetadata } from './metadata.ts';
import { readAccountNames, readGrants, readSystemRows } from './read-accounts.ts';
import { readCodeDefinitions, readTableDefinitions } from './read-definitions.ts';
import { definitionScript, rowsScript } from './scripts.ts';
import { withSnapshotLock } from './snapshot-lock.ts';
import { type DumpSpool, openDumpSpool } from './spool.ts';
import { makeStatementReader } from './statements.ts';

/** Room that stays free on the spool's disk beside the dump. */
const keptFree = 64 * 1024 * 1024;

export type LogicalParts = { stateDirectory: string; spoolDirectory: string };

type Surroundings = {
  order: BackupOrder;
  context: EngineContext;
  session: Session;
  login: Login;
  facts: ServerFacts;
};

/** The definitions of everything, which go first: a restore makes the tables before it meets their rows. */
async function archiveDefinitions(
  archive: Archive,
  { session }: Surroundings,
  flavour: 'mariadb' | 'mysql',
): Promise<{ tables: TableRef[]; views: TableRef[]; schemas: string[] }> {
  const { definitions, tables, schemas } = await readTableDefinitions(session);
  const code = await readCodeDefinitions(session, schemas);
  const rows = await readSystemRows(session);
  const grants = await readGrants(session, flavour);
  const zones = rows.filter(({ name }: Definition) => name.startsWith('time_zone'));
  await archive.add(
    'holdfast/definitions.jsonl',
    encodeDefinitions([...definitions, ...rows, ...code, ...grants]),
  );
  await archive.add('holdfast/1-tables.sql', definitionScript(definitions));
  await archive.add('holdfast/3-code.sql', definitionScript([...zones, ...code]));
  await archive.add('holdfast/4-accounts.sql', definitionScript(grants));
  const views = code.flatMap(({ kind, schema, name }) => (kind === 'view' ? [{ schema, table: name }] : []));
  return { tables, views, schemas: [...schemas.keys()] };
}

/** Streams finished files of the dump into the archive, and keeps what is needed to judge it. */
async function archiveDump(
  dump: DumpRun,
  archive: Archive,
  names: { tables: readonly TableRef[]; views: readonly TableRef[]; schemas: readonly string[] },
  flavour: 'mariadb' | 'mysql',
  context: EngineContext,
): Promise<SeenDump & { total: number }> {
  const kindOf = makeFileNames([...names.tables, ...names.views], names.schemas);
  const rows = new Map<string, number>();
  const defined = new Set<string>();
  const unknown: string[] = [];
  const cut: string[] = [];
  const files: ({ path: string } & TableRef)[] = [];
  let metadata: DumpMetadata | undefined;
  let total = 0;
  await dump.take(async (file) => {
    const kind = kindOf(file.name);
    const path = `dump/${file.name}`;
    if (kind === undefined) unknown.push(file.name);
    if (kind?.kind === 'definition') defined.add(keyOf(kind));
    if (kind?.kind === 'metadata') metadata = parseDumpMetadata(await readFile(file.path, 'utf8'));
    const reader = kind?.kind === 'rows' ? makeStatementReader() : undefined;
    await archive.addFile(
      path,
      file,
      (bytes) => reader?.push(bytes),
      () =>
        kind?.kind === 'rows' && reader !== undefined
          ? { schema: kind.schema, table: kind.table, rows: reader.rows() }
          : undefined,
    );
    if (kind?.kind === 'rows' && reader !== undefined) {
      if (!reader.complete()) cut.push(file.name);
      files.push({ path, schema: kind.schema, table: kind.table });
      rows.set(keyOf(kind), (rows.get(keyOf(kind)) ?? 0) + reader.rows());
      total += reader.rows();
    }
    context.progress('streaming', archive.bytes());
  });
  await archive.add('holdfast/2-rows.sql', rowsScript(files, flavour));
  await archive.end();
  return { rows, defined, unknown, cut, metadata, total };
}

/**
 * One logical backup of a member into the stream `main`: a tar of mydumper's files, streamed while they are written.
 *
 * The tool's threads and the fingerprint open their snapshots at one moment, in which a standing applier or a short
 * lock of the runner's keeps everybody still; so the comparison is exact, whoever writes meanwhile (M08).
 */
export async function logicalBackup(
  order: BackupOrder,
  sinks: Sinks,
  context: EngineContext,
  { stateDirectory, spoolDirectory }: LogicalParts,
): Promise<BackupFacts> {
  const { member, plan, policy } = order;
  const flavour = order.flavour === 'mariadb' ? 'mariadb' : 'mysql';
  const login = await resolveLogin(member, context);
  const version = await findDumper(context);
  const line = dumperLine(version);
  if (version === null || line === undefined) {
    throw new NamedError(
      'Backup.ToolFailed',
      `mydumper ${version ?? 'is not on this host'}: 0.10 or 1.x is needed`,
    );
  }
  const bound = plan.spoolBytes ?? 0;
  const free = await freeBytes(spoolDirectory);
  if (free < bound + keptFree) {
    throw new NamedError(
      'Backup.SpoolFull',
      `${spoolDirectory} has ${free} bytes free; the plan's dump may need ${bound} and ${keptFree} stay free`,
      { free, bound },
    );
  }
  const session = await openSession(login, context.signal);
  let applier: StandingApplier | undefined;
  let spool: DumpSpool | undefined;
  let dump: DumpRun | undefined;
  try {
    context.progress('looking at the server');
    const facts = await readServerFacts(session);
    const applied = roleOf(facts) === 'replica';
    const places = await readPlaces(session, facts);
    const server = await describeServer(
      order,
      facts,
      await originOf(facts),
      await readPlugins(session),
      context,
    );
    const sink = sinks.open('main');
    const archive = makeArchive(sink, 'main');
    const hashes = async (of: Session) => [await schemaHash(of), await accountsHash(of)].join();

    context.progress('reading definitions');
    const definedAs = await hashes(session);
    const surroundings = { order, context, session, login, facts };
    const names = await archiveDefinitions(archive, surroundings, flavour);
    const tables = await readUserTables(session);
    const relations = await readRelations(session);
    const accounts = await readAccountNames(session, 'holdfast/4-accounts.sql');
    const nobodyWrites = applied && plan.stopApplier;
    if (nobodyWrites) applier = await stopForBackup(order, session, login, stateDirectory, context);

    spool = openDumpSpool(spoolDirectory, order.backupId);
    const defaultsFile = writeToolOptions(login, context.workDir);
    await appendFile(defaultsFile, dumperSession(line, facts.variables));
    const args = dumpArguments({
      line,
      server: { family: session.words.family, version: facts.version },
      defaultsFile,
      address: login.address,
      outputDirectory: spool.directory,
      threads: policy.toolThreads,
    });
    let before: MysqlPosition | null = null;
    const startTool = async () => {
      if (line === '1.x') before = await session.words.currentPosition(session, applied);
      dump = startDump(
        { args, line, spool: spool!, bound, stallSeconds: policy.stallSeconds, login },
        context,
      );
      await dump.snapshots;
    };
    let lockSeconds = 0;
    context.progress('opening snapshots');
    const fingerprintOf: OpenFingerprint = await openFingerprint(session, {
      applied,
      holdTables: false,
      others: false,
      atSnapshot: async (open) => {
        const all = async () => {
          await startTool();
          await open();
        };
        if (nobodyWrites) await all();
        else lockSeconds = (await withSnapshotLock(login, flavour, policy, context.signal, all)).lockSeconds;
      },
    });
    const mayStart = tables.every((table) => standsStill(table, false));
    if (mayStart) await applier?.start();

    context.progress('streaming', archive.bytes(), plan.expectedBytes);
    const seen = await archiveDump(dump!, archive, names, flavour, context);
    await applier?.start();

    context.progress('reading the fingerprint');
    const fingerprint = await fingerprintOf.finish((done, of) =>
      context.progress(`comparing ${done} of ${of} tables`),
    );
    const definedNow = await withSession(login, context.signal, hashes);
    const definedThen = [fingerprint.schemaSha256, fingerprint.accountsSha256].join();
    if (definedAs !== definedNow || definedAs !== definedThen) {
      throw new NamedError(
        'Backup.DefinitionsMoved',
        'tables, views, routines, triggers, events or accounts changed while the dump ran, so it is of no one moment; the next plan takes the physical method where the policy leaves the choice',
      );
    }
    const position = seen.metadata && dumpPosition(seen.metadata, flavour, applied, before);
    const positionNeeded = applied || facts.variables.log_bin === 'ON';
    const standing = new Set(tables.filter((t) => standsStill(t, nobodyWrites)).map(keyOf));
    const faults = dumpFaults(
      seen,
      { tables: names.tables, position, positionNeeded },
      fingerprint,
      (table) => standing.has(keyOf(table)),
    );
    if (faults.length > 0 || position === undefined) {
      throw new NamedError('Backup.Incomplete', faults.slice(0, 20).join('; ').slice(0, 3500), {
        reasons: faults.length,
      });
    }
    if (position !== null && fingerprint.position !== null && !samePosition(position, fingerprint.position)) {
      throw new NamedError(
        'Backup.PositionMoved',
        `the dump is at ${JSON.stringify(position)} and its fingerprint at ${JSON.stringify(fingerprint.position)}; something wrote although ${nobodyWrites ? 'the applier stood' : 'commits were held'}`,
        { backup: position.gtid, fingerprint: fingerprint.position.gtid },
      );
    }
    return {
      server: { ...server, accounts },
      tool: { name: 'mydumper', version, arguments: args, exitCode: 0 },
      position,
      lsn: null,
      comparison: 'exact',
      fingerprint,
      relations,
      restore: logicalNeeds(order, {
        dumpBytes: archive.bytes(),
        dataBytes: places.dataBytes,
        redoBytes: places.redoBytes,
        pageBytes: Number(facts.variables.innodb_page_size ?? 16384),
        toolVersion: version,
      }),
      metrics: {
        lockSeconds,
        applierStoppedSeconds: applier?.seconds() ?? 0,
        files: archive.files(),
        tables: names.tables.length,
        rows: seen.total,
      },
    };
  } catch (error) {
    await dump?.stop(error instanceof Error ? error : new Error(String(error)));
    // What broke is told; the note stays until the applier runs, and the next look at this member starts it.
    await applier?.start().catch((cause: Error) => {
      context.log('the applier is not started', { cause: cause.message });
      if (error instanceof Error) error.message += `; and ${cause.message}`;
    });
    throw error;
  } finally {
    spool?.close();
    await session.close();
  }
}
