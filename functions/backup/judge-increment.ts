import { createHash } from 'node:crypto';
import { decodeManifest } from '../../contract/formats/codec.ts';
import type { Manifest } from '../../contract/formats/manifest.ts';
import type { BackupRecord } from '../../contract/records/backup.ts';
import type { BackupOrder } from '../../contract/records/job.ts';
import { sameOrigin } from '../catalog/chain.ts';
import type { Fault } from './judge.ts';
import { originOf } from './origin.ts';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

type Taken = Pick<Manifest, 'lsn' | 'server' | 'tool'>;

/**
 * Whether an incremental goes on exactly where its parent ends, by what was ordered and what is recorded of the parent.
 * The tool notices neither a wrong LSN nor another server: the backup would be complete, and useless. A runner that
 * knows no incrementals takes a full one under this name.
 */
export function judgeIncrement(
  { lsn, server, tool }: Taken,
  { plan, backupId }: Pick<BackupOrder, 'plan' | 'backupId'>,
  parent: BackupRecord | undefined,
  /** The parent's manifest as it is stored. */
  stored: Uint8Array | undefined,
): Fault | undefined {
  const { increment } = plan;
  if (plan.level === 'full') return undefined;
  const broken = (why: string): Fault => ({
    name: 'Backup.ChainBroken',
    cause: `${backupId} does not build on ${plan.parent}: ${why}`,
  });
  if (increment === undefined || parent === undefined) return broken('that one is not recorded');
  if (parent.state !== 'verified' && parent.state !== 'proven') return broken(`that one is ${parent.state}`);
  if (stored === undefined || sha256(stored) !== parent.manifestSha256) {
    return broken('its manifest is not the one that was recorded');
  }
  const ends = parent.lsn?.to;
  if (decodeManifest(stored).lsn?.to !== ends) {
    return broken(`its record says that it ends at LSN ${ends}, its manifest says another`);
  }
  if (lsn === null || lsn.from !== ends || lsn.from !== increment.fromLsn) {
    return broken(`it begins at LSN ${lsn?.from ?? 'unknown'}, where ${ends} is due`);
  }
  const origin = originOf({ server });
  if (!origin || !parent.origin || !sameOrigin(origin, parent.origin)) {
    const of = (o: typeof origin) =>
      o ? `${o.uuid}, id ${o.serverId}, ${o.datadir} (${o.files})` : 'unknown';
    return broken(`it is of server ${of(origin)}, the parent of ${of(parent.origin)}`);
  }
  if (server.version !== parent.serverVersion || tool.version !== parent.toolVersion) {
    return broken(
      `it is of server ${server.version} and tool ${tool.version}, the parent of ${parent.serverVersion} and ${parent.toolVersion}`,
    );
  }
  return undefined;
}
