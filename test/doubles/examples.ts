import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '../../contract/formats/manifest.ts';
import type { Receipt } from '../../contract/formats/receipt.ts';
import type { BackupRecord } from '../../contract/records/backup.ts';
import type { ClusterRecord } from '../../contract/records/cluster.ts';
import type { HostRecord } from '../../contract/records/host.ts';
import type {
  BackupOrder,
  CheckResult,
  JobRow,
  RestoreOrder,
  RestoreResult,
} from '../../contract/records/job.ts';
import type { Policy } from '../../contract/records/policy.ts';
import type { RestoreTablesOrder, RestoreTablesResult } from '../../contract/records/restore-tables.ts';

type Examples = {
  manifest: Manifest;
  receipt: Receipt;
  backup: BackupRecord;
  cluster: ClusterRecord;
  host: HostRecord;
  policy: Policy;
  job: JobRow;
  'order-backup': BackupOrder;
  'order-restore': RestoreOrder;
  'order-restore-tables': RestoreTablesOrder;
  'result-check': CheckResult;
  'result-restore': RestoreResult;
  'result-restore-tables': RestoreTablesResult;
};

/** A fresh copy of a kept example; they belong together: one backup of the cluster `orders`. */
export const example = <N extends keyof Examples>(name: N): Examples[N] =>
  JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/formats/v1', `${name}.json`), 'utf8'));
