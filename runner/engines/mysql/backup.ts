import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { NamedError } from '../../../contract/errors/named-error.ts';
import type { Fingerprint } from '../../../contract/formats/fingerprint.ts';
import type { Origin } from '../../../contract/records/backup.ts';
import type { BackupOrder } from '../../../contract/records/job.ts';
import { sameData } from '../compare-fingerprints.ts';
import type { BackupFacts, EngineContext, Sinks } from '../engine.ts';
import { backupPosition, metadata, withPlainCopies } from './backup-position.ts';
import { roleOf } from './eligibility.ts';
import { mustHold, readTableNames } from './expected-tables.ts';
import { streamNames } from './fifo-streams.ts';
import { openFingerprint } from './fingerprint/take.ts';
import { readAccountNames } from './logical/read-accounts.ts';
import { resolveLogin, writeToolOptions } from './login.ts';
import { describeServer, restoreNeeds } from './manifest-facts.ts';
import { chainBroken, originOf, otherLsn, otherOrigin } from './origin.ts';
import { readPlugins } from './plugins.ts';
import { samePosition } from './position.ts';
import { readRelations } from './relations.ts';
import { readPlaces, readServerFacts } from './server-facts.ts';
import { openSession } from './session.ts';
import { type StandingApplier, stopForBackup } from './standing-applier.ts';
import { placeKey } from './tool-key.ts';
import { runTool } from './tool-run.ts';
import { backupCommand, fifosOf } from './tools/backup-command.ts';
import { toolOf } from './tools/tool.ts';
import { findTools } from './versions.ts';
import { requiredFiles, verdict } from './xbstream/completeness.ts';
import { fileRows } from './xbstream/index-rows.ts';
import { parseCheckpoints } from './xbstream/metadata.ts';
import { tables } from './xbstream/tables.ts';

/** What the server itself says of a statement (a table that cannot be opened) is a failure with a name. */
function named(error: unknown): unknown {
  const { errno, sqlState } = error as { errno?: number; sqlState?: string };
  if (error instanceof NamedError || sqlState === undefined) return error;
  return new NamedError(
    'Backup.Failed',
    `the server answered with error ${errno}: ${(error as Error).message}; a table that it cannot open must be repaired or dropped first`,
    { errno: errno ?? 0 },
    { cause: error },
  );
}

/**
 * One physical backup of a member, full or incremental, into the stream `main` or those that the plan names.
 *
 * On a replica the applier is stopped first and started again once the snapshot of the fingerprint is open, so that
 * backup and fingerprint stand at one position (M08): `exact`. Elsewhere a fingerprint before and one after bound what
 * changed in between; where the log did not move at all the comparison is exact there too.
 */
export async function backup(
  order: BackupOrder,
  sinks: Sinks,
  context: EngineContext,
  stateDirectory: string,
): Promise<BackupFacts> {
  const { member, plan, policy } = order;
  const login = await resolveLogin(member, context);
  const tools = await findTools(context.runChild, context.signal);
  const session = await openSession(login, context.signal);
  let applier: StandingApplier | undefined;
  try {
    context.progress('looking at the server');
    const facts = await readServerFacts(session);
    const role = roleOf(facts);
    const tool = toolOf(session.words.family);
    const toolVersion = tools[tool.name] ?? '';
    const applied = role === 'replica';
    const places = await readPlaces(session, facts);
    const origin = await originOf(facts);
    const server = await describeServer(order, facts, origin, await readPlugins(session), context);
    const mustBeSame = (found: Origin) => {
      if (plan.increment === undefined) return;
      const why = otherOrigin(plan.increment, { origin: found, serverVersion: server.version, toolVersion });
      if (why !== undefined) throw chainBroken(plan.parent, why);
    };
    mustBeSame(origin);

    const stands = applied && plan.stopApplier;
    if (stands) applier = await stopForBackup(order, session, login, stateDirectory, context);
    const recorded = stands ? await session.words.currentPosition(session, true) : null;
    const tablesBefore = await readTableNames(session);
    let before: Fingerprint | undefined;
    if (!stands) {
      context.progress('reading the fingerprint before');
      before = await (await openFingerprint(session, { applied, holdTables: false, others: true })).finish();
    }

    const extraLsnDir = join(context.workDir, 'lsn');
    const targetDir = join(context.workDir, 'tool');
    const fifoDirectory = join(context.workDir, 'fifo');
    await mkdir(extraLsnDir, { recursive: true, mode: 0o700 });
    await mkdir(targetDir, { recursive: true, mode: 0o700 });
    await mkdir(fifoDirectory, { recursive: true, mode: 0o700 });
    const keyFile = join(context.workDir, 'key');
    const key = tool.name === 'xtrabackup' ? await placeKey(order, keyFile, context) : undefined;
    const args = backupCommand({
      tool,
      toolVersion,
      policy,
      defaultsFile: writeToolOptions(login, context.workDir),
      address: login.address,
      datadir: facts.datadir,
      extraLsnDir,
      targetDir,
      keyFile,
      checkpointFirst: plan.checkpointFirst,
      replica: applied,
      incrementalLsn: plan.increment?.fromLsn,
      fifos: fifosOf(plan, fifoDirectory),
    });
    context.progress('streaming', 0, plan.expectedBytes);
    const [main, ...others] = streamNames(plan);
    const opened = (stream: string) => ({ stream, sink: sinks.open(stream) });
    const streams: Parameters<typeof runTool>[2] = [opened(main), ...others.map(opened)];
    const run = await runTool(order, { tool, args, fifoDirectory }, streams, { login, session }, context);

    // The first session may have idled for hours; a fresh one cannot have been dropped meanwhile.
    const reader = await openSession(login, context.signal);
    try {
      context.progress('reading the fingerprint');
      const tablesAfter = await readTableNames(reader);
      const relations = await readRelations(reader);
      const open = await openFingerprint(reader, {
        applied,
        like: before,
        holdTables: stands,
        others: !stands,
      });
      await applier?.start();
      const fingerprint = await open.finish((done, of) =>
        context.progress(`comparing ${done} of ${of} tables`),
      );
      if (open.unread().length > 0) {
        context.log('tables changed while they were read', {
          tables: open.unread().join(', ').slice(0, 500),
        });
      }

      const expectedTables = mustHold(tablesBefore, tablesAfter, run.state);
      const decision = verdict({
        state: run.state,
        exitCode: run.end.exitCode,
        signal: run.end.signal,
        stderrTail: run.end.stderrTail.join('\n'),
        requiredFiles: requiredFiles(tool.stream, facts.variables.log_bin === 'ON'),
        expectedTables,
      });
      if (!decision.complete) {
        throw new NamedError('Backup.Incomplete', decision.reasons.join('; ').slice(0, 3500), {
          reasons: decision.reasons.length,
        });
      }
      for (const { stream, state } of run.parts) {
        for (const row of fileRows(stream, state)) streams[0].sink.row(row);
      }

      const content = withPlainCopies(run.state.content, extraLsnDir);
      const position = backupPosition(content, tool.stream, applied, recorded);
      const checkpoints = parseCheckpoints(metadata(content, 'checkpoints') ?? '');
      const lsnFault = otherLsn(checkpoints, plan.increment);
      if (lsnFault !== undefined) throw chainBroken(plan.parent, lsnFault);
      const after = await readServerFacts(reader);
      mustBeSame(await originOf(after));
      if (applied !== (roleOf(after) === 'replica')) {
        throw new NamedError(
          'Member.Ineligible',
          `member ${member.memberId} was a ${role} when the backup began and is a ${roleOf(after)} now: at which position its data stands cannot be told`,
          { member: member.memberId },
        );
      }
      // A log that did not move says nothing of writers that do not log (sql_log_bin, filters): the data must agree.
      const exact =
        samePosition(position, fingerprint.position) &&
        open.unread().length === 0 &&
        (before === undefined || sameData(before, fingerprint));
      if (stands && !exact && position !== null && fingerprint.position !== null) {
        throw new NamedError(
          'Backup.PositionMoved',
          `the applier stood, yet the backup is at ${JSON.stringify(position)} and its fingerprint at ${JSON.stringify(fingerprint.position)}; something else writes on this replica`,
          { backup: position?.gtid ?? '', fingerprint: fingerprint.position?.gtid ?? '' },
        );
      }
      const unpackedBytes = decision.files.reduce((sum, file) => sum + file.bytes, 0);
      return {
        server: { ...server, accounts: await readAccountNames(reader, 'mysql/') },
        tool: {
          name: tool.name,
          version: toolVersion,
          arguments: args,
          exitCode: 0,
        },
        position,
        lsn:
          checkpoints === undefined
            ? null
            : { from: checkpoints.fromLsn, to: checkpoints.toLsn, last: checkpoints.lastLsn },
        comparison: exact ? 'exact' : 'bounded',
        fingerprint,
        ...(before === undefined ? {} : { fingerprintBefore: before }),
        relations,
        restore: restoreNeeds(
          order,
          {
            // What an incremental becomes is the whole of the server's files.
            unpackedBytes: plan.increment === undefined ? unpackedBytes : places.dataBytes + places.undoBytes,
            streamBytes: run.state.streamBytes,
          },
          {
            dataBytes: places.dataBytes + places.undoBytes,
            redoBytes: places.redoBytes,
            pageBytes: Number(facts.variables.innodb_page_size ?? 16384),
          },
          { tool, version: toolVersion, variables: facts.variables },
          places.outsideDatadir,
          key,
        ),
        metrics: {
          lockSeconds: run.lockSeconds,
          applierStoppedSeconds: applier?.seconds() ?? 0,
          files: decision.files.length,
          tables: tables(
            decision.files.map((file) => file.path),
            content,
          ).length,
          rows: fingerprint.tables.reduce((sum, table) => sum + table.rows, 0),
        },
      };
    } finally {
      await reader.close();
    }
  } catch (thrown) {
    const error = named(thrown);
    // What broke is told; the marker stays until the applier runs, and the next look at this member starts it.
    await applier?.start().catch((cause: Error) => {
      context.log('the applier is not started', { cause: cause.message });
      if (error instanceof Error) error.message += `; and ${cause.message}`;
    });
    throw error;
  } finally {
    await session.close();
  }
}
