import type { Manifest } from '../../contract/formats/manifest.ts';
import type { Origin } from '../../contract/records/backup.ts';

/** Of which server and files the backup is; undefined where its runner did not say so. */
export function originOf({ server }: Pick<Manifest, 'server'>): Origin | undefined {
  const { uuid, serverId, datadir, files } = server;
  return datadir === undefined || files === undefined ? undefined : { uuid, serverId, datadir, files };
}
