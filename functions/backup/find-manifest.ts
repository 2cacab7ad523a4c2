import { z } from 'zod';
import { manifestKey } from '../../contract/layout.ts';
import { id, mintedId } from '../../contract/records/ids.ts';
import type { Backups } from '../catalog/backup.ts';
import type { ObjectsOf } from '../clients/objects.ts';
import { makeLambda } from '../log/lambda.ts';

export type FindManifestDeps = { backups: Pick<Backups, 'get'>; objectsOf: ObjectsOf };

/** After a failure: is the manifest of the ordered backup there all the same? Then the backup is complete (F43, F48). */
export function makeHandler(deps: FindManifestDeps) {
  return makeLambda<typeof event, { outcome: 'found' | 'none' }>({
    name: 'find-manifest',
    event,
    onInvalid: 'throw',
    handle: async ({ clusterId, backupId }) => {
      const backup = backupId === null ? undefined : await deps.backups.get(clusterId, backupId);
      if (backup === undefined) return { outcome: 'none' };
      const stored = await deps.objectsOf(backup.site).head(manifestKey(backup));
      return { outcome: stored === undefined ? 'none' : 'found' };
    },
  });
}

const event = z.object({ clusterId: id, backupId: mintedId.nullable() });
