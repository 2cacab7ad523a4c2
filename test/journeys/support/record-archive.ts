import type { SiteRef } from '../../../contract/records/backup.ts';
import { recordSegments } from '../../../functions/logs/record.ts';
import type { makeMemoryControl } from '../../doubles/memory-control.ts';
import type { S3Server } from '../../doubles/s3-server.ts';
import { segmentsIn } from './archive.ts';

/** Records what an archiver has stored of a timeline, as Reconcile does, and lets control read it. */
export async function recordArchive(
  s3: S3Server,
  timeline: string,
  site: SiteRef,
  control: ReturnType<typeof makeMemoryControl>,
): Promise<void> {
  const found = segmentsIn(s3, timeline);
  for (const { key } of found) control.objects.put(site.bucket, key, s3.objects.get(key)!.bytes);
  const record = {
    v: 1 as const,
    clusterId: 'shop',
    set: 'main',
    timeline,
    openedAt: found[0]!.header.sealedAt,
    epoch: 1,
    memberId: 'primary',
    hostId: 'mi-0abc',
    since: found[0]!.header.sealedAt,
    newest: null,
    first: null,
    state: 'archiving' as const,
    reason: '',
    durableAt: null,
    broke: null,
    revision: 0,
  };
  const segments = found.map(({ key, header, end }) => ({
    header,
    end,
    bytes: s3.objects.get(key)!.bytes.length,
  }));
  await recordSegments({ archives: control.archives, objects: control.objectsOf(site) }, record, segments);
  await control.archives.put({ ...record, newest: found.at(-1)!.end }, undefined);
}
