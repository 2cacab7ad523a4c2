import { createHash } from 'node:crypto';
import { NamedError } from '../../contract/errors/named-error.ts';
import { bytesOfChain } from '../../contract/formats/chain-need.ts';
import { decodeManifest } from '../../contract/formats/codec.ts';
import type { Manifest } from '../../contract/formats/manifest.ts';
import { manifestKey } from '../../contract/layout.ts';
import type { RestoreOrder } from '../../contract/records/job.ts';
import type { RestoreTablesOrder } from '../../contract/records/restore-tables.ts';
import type { Store } from '../stream/store.ts';
import type { Job } from './work.ts';

/** A manifest is small whatever the backup's size; with 100,000 tables' facts in it about 20 MB. */
const largestManifest = 64 * 1024 * 1024;

type Link = { clusterId: string; backupId: string; manifestSha256: string };

type ChainOrder = Pick<
  RestoreOrder | RestoreTablesOrder,
  'clusterId' | 'backupId' | 'manifestSha256' | 'chain'
>;

/** The backups that an order restores, base first; one where it names no chain. */
const linksOf = ({ clusterId, backupId, manifestSha256, chain }: ChainOrder): Link[] =>
  (chain ?? [{ backupId, manifestSha256 }]).map((link) => ({ clusterId, ...link }));

/** The manifest that was recorded, and no other: hosts can write manifests, so its bytes are pinned by the order. */
export async function readManifest(link: Link, { context }: Job, store: Store): Promise<Manifest> {
  context.progress('reading the manifest');
  const key = manifestKey(link);
  const bytes = await store.getSmallObject({ key, most: largestManifest, signal: context.signal });
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (sha256 !== link.manifestSha256) {
    throw new NamedError(
      'Restore.StreamDamaged',
      `${key} has the SHA-256 ${sha256}; the one that was recorded has ${link.manifestSha256}`,
      { key, sha256, recorded: link.manifestSha256 },
    );
  }
  return decodeManifest(bytes);
}

/** What of a manifest says whether its backup goes on where another ends. */
export type Joint = Pick<Manifest, 'backupId' | 'lsn' | 'server' | 'tool'> & {
  plan: Pick<Manifest['plan'], 'level' | 'parent'>;
};

/** Why these backups are no chain from a full to the last one, by their own manifests (F58, M23); undefined where they are. */
export function chainFault(links: readonly Joint[], backupId: string): string | undefined {
  const last = links.at(-1);
  if (last?.backupId !== backupId) return `the chain ends with ${last?.backupId}, ordered is ${backupId}`;
  const [base, ...incrementals] = links;
  if (base?.plan.level !== 'full') {
    return `the chain begins with ${base?.backupId}, which is an incremental on ${base?.plan.parent}`;
  }
  let parent: Joint = base;
  for (const link of incrementals) {
    const said = `${link.backupId} does not build on ${parent.backupId}:`;
    if (link.plan.parent !== parent.backupId) return `${said} its parent is ${link.plan.parent}`;
    if (link.lsn === null || link.lsn.from !== parent.lsn?.to) {
      return `${said} it begins at LSN ${link.lsn?.from}, the other ends at ${parent.lsn?.to}`;
    }
    if (link.server.uuid !== parent.server.uuid || link.server.files !== parent.server.files) {
      return `${said} it is of another server or data directory`;
    }
    if (link.server.version !== parent.server.version || link.tool.version !== parent.tool.version) {
      return `${said} it is of server ${link.server.version} and tool ${link.tool.version}, the other of ${parent.server.version} and ${parent.tool.version}`;
    }
    parent = link;
  }
  return undefined;
}

/**
 * The manifest of the backup itself and of the full that its chain begins with, after all of them were looked at. What
 * the whole chain needs of the disk stands in the first's place, since that is asked for before anything is touched.
 */
export async function readLinks(order: ChainOrder, job: Job, store: Store) {
  const links = linksOf(order);
  if (order.chain !== undefined && order.chain.at(-1)?.manifestSha256 !== order.manifestSha256) {
    throw new NamedError(
      'Restore.StreamDamaged',
      'the chain of the order ends with another manifest than it names',
    );
  }
  const joints: (Joint & Parameters<typeof bytesOfChain>[0][number])[] = [];
  let base: Manifest | undefined;
  let last: Manifest | undefined;
  for (const link of links) {
    last = await readManifest(link, job, store);
    base ??= last;
    const { backupId, lsn, server, tool, plan, restore, metrics } = last;
    joints.push({ backupId, lsn, server, tool, plan, restore, metrics });
  }
  const fault = chainFault(joints, order.backupId);
  if (fault !== undefined) throw new NamedError('Backup.ChainBroken', fault, { backupId: order.backupId });
  const restore = { ...last!.restore, bytes: bytesOfChain(joints).bytes };
  return { base: base!, incrementals: links.slice(1), manifest: { ...last!, restore } };
}
