import { z } from 'zod';
import { NamedError } from '../../contract/errors/named-error.ts';
import type { Receipt } from '../../contract/formats/receipt.ts';
import { gtidContains } from '../../contract/formats/segment-chain.ts';
import type { BackupRecord } from '../../contract/records/backup.ts';
import { id, mintedId } from '../../contract/records/ids.ts';
import { type RestoreOrder, type RestoreResult, restoreResultSchema } from '../../contract/records/job.ts';
import { type RestoredTable, restoreTablesResultSchema } from '../../contract/records/restore-tables.ts';
import { writeReceipt } from '../backup/write-receipt.ts';
import type { Backups } from '../catalog/backup.ts';
import type { OrderRecord, Orders } from '../catalog/order.ts';
import type { ObjectsOf } from '../clients/objects.ts';
import { makeLambda } from '../log/lambda.ts';
import { type AsPlanned, asPlanned, plannedSchema } from './as-planned.ts';

/** What the restore proves about its backup: a receipt, or why there is none. */
export type Proof = { outcome: 'proven'; receipt: Receipt } | { outcome: 'unproven'; reason: string };

/** The measured time of a restore, all phases. */
const secondsOf = ({ seconds }: Pick<RestoreResult, 'seconds'>): number =>
  Math.round(Object.values(seconds).reduce((a, b) => a + b, 0) * 10) / 10;

/**
 * A restore whose data was compared at one position proves its backup. The receipt's time is that of the restore's
 * order, by control's clock and the same at a second call; never before the backup was committed, so that the fold
 * keeps its order even where a host's clock ran ahead (F53).
 */
export function proofOf(
  backup: BackupRecord,
  result: RestoreResult,
  order: Pick<OrderRecord, 'createdAt' | 'execution'>,
): Proof {
  const unproven = (reason: string): Proof => ({ outcome: 'unproven', reason });
  if (backup.state !== 'verified' && backup.state !== 'proven') {
    return unproven(`the backup is ${backup.state}; only a verified one becomes proven`);
  }
  if (result.comparison !== 'exact' || backup.comparison !== 'exact') {
    return unproven('the fingerprint was compared within bounds, not at one position');
  }
  const at = [order.createdAt, backup.committedAt, backup.verifiedAt]
    .filter((instant) => instant !== undefined)
    .toSorted()
    .at(-1)!;
  return {
    outcome: 'proven',
    receipt: {
      v: 1,
      fact: 'proven',
      clusterId: backup.clusterId,
      backupId: backup.backupId,
      at,
      by: order.execution,
      reasons: [],
      backup: { ...backup, state: 'proven', provenAt: at, restoreSeconds: secondsOf(result) },
    },
  };
}

/** Why what came back is not what was ordered; undefined where it is. A runner that knew no logs would leave them out. */
function missed(order: RestoreOrder, { replay, position }: RestoreResult): string | undefined {
  if (order.log === undefined) return undefined;
  const wanted = order.log.until.gtid || `${order.log.until.file}:${order.log.until.offset}`;
  if (replay === undefined) return `nothing was replayed; ${wanted} was ordered`;
  const { reached } = replay;
  const there = order.log.until.gtid
    ? gtidContains(reached.flavour, reached.gtid, order.log.until.gtid)
    : reached.file === order.log.until.file && reached.offset === order.log.until.offset;
  return there ? undefined : `${position?.gtid ?? 'nothing'} was reached; ${wanted} was ordered`;
}

export type RecordRestoreAnswer = AsPlanned & {
  outcome: 'recorded';
  clusterId: string;
  backupId: string;
  state: BackupRecord['state'];
  comparison: 'exact' | 'bounded';
  hostId: string;
  directory: string;
  port: number;
  socket: string;
  serverId: number;
  position: RestoreResult['position'];
  tables: number;
  rows: number;
  /** The measured time of the restore, all phases. */
  seconds: number;
  howToReach: string;
  /** Of a restore to a point: what the log added to the backup whose data was compared. */
  replay?: NonNullable<RestoreResult['replay']> & { from: string };
  reasons: string[];
};

/** What came of single tables. They prove themselves, not their backup, so there is no receipt. */
export type RecordTablesAnswer = Pick<
  RecordRestoreAnswer,
  | 'outcome'
  | 'clusterId'
  | 'backupId'
  | 'state'
  | 'comparison'
  | 'hostId'
  | 'directory'
  | 'position'
  | 'tables'
  | 'rows'
  | 'seconds'
> &
  AsPlanned & { memberId: string; restored: RestoredTable[] };

export type RecordRestoreDeps = {
  backups: Pick<Backups, 'get' | 'apply'>;
  orders: Pick<Orders, 'get'>;
  objectsOf: ObjectsOf;
};

/** "Record the restore": a receipt where it proved the backup, and what it took. */
export const makeHandler = (deps: RecordRestoreDeps) =>
  makeLambda({
    name: 'record-restore',
    event: z.object({
      execution: z.string(),
      clusterId: id,
      backupId: mintedId,
      result: z.discriminatedUnion('kind', [restoreResultSchema, restoreTablesResultSchema]),
      planned: plannedSchema.nullish(),
    }),
    onInvalid: 'throw',
    handle: async ({
      execution,
      clusterId,
      backupId,
      result,
      planned,
    }): Promise<RecordRestoreAnswer | RecordTablesAnswer> => {
      const [backup, ordered] = await Promise.all([
        deps.backups.get(clusterId, backupId),
        deps.orders.get(result.jobId),
      ]);
      if (!backup) throw new NamedError('Backup.Unknown', `${clusterId} has no backup ${backupId}`);
      const order = ordered?.order;
      if (
        !ordered ||
        (order?.kind !== 'restore' && order?.kind !== 'restore-tables') ||
        order.kind !== result.kind ||
        ordered.execution !== execution ||
        order.clusterId !== clusterId ||
        order.backupId !== backupId ||
        result.backupId !== backupId
      ) {
        throw new NamedError(
          'Job.NotLive',
          `job ${result.jobId} was not ordered by this execution to restore ${clusterId} ${backupId}`,
        );
      }
      if (result.kind === 'restore-tables') {
        return {
          outcome: 'recorded',
          clusterId,
          backupId,
          state: backup.state,
          comparison: result.comparison,
          hostId: ordered.hostId,
          directory: order.target.directory,
          position: result.position,
          memberId: result.memberId,
          tables: result.tables.length,
          rows: result.tables.reduce((sum, { rows }) => sum + rows, 0),
          seconds: secondsOf(result),
          ...asPlanned(planned, order.log),
          restored: result.tables,
        };
      }
      const whole = order.kind === 'restore' ? order : undefined;
      const short = whole && missed(whole, result);
      if (short !== undefined)
        throw new NamedError('Restore.PositionMissed', `job ${result.jobId}: ${short}`);
      const proof = proofOf(backup, result, ordered);
      if (proof.outcome === 'proven') {
        const receipt = await writeReceipt(deps.objectsOf(backup.site), proof.receipt);
        await deps.backups.apply(receipt);
      }
      return {
        outcome: 'recorded',
        clusterId,
        backupId,
        state: proof.outcome === 'proven' ? 'proven' : backup.state,
        comparison: result.comparison,
        hostId: ordered.hostId,
        directory: result.directory,
        port: result.port,
        socket: result.socket,
        serverId: result.serverId,
        position: result.position,
        tables: result.tables,
        rows: result.rows,
        seconds: secondsOf(result),
        howToReach: result.howToReach,
        ...asPlanned(planned, whole?.log),
        ...(result.replay && whole?.log ? { replay: { ...result.replay, from: whole.log.from.gtid } } : {}),
        reasons: proof.outcome === 'proven' ? [] : [proof.reason],
      };
    },
  });
