import type { z } from 'zod';
import { indexRowSchema } from '../../../../contract/formats/index-file.ts';
import { logReceiptSchema } from '../../../../contract/formats/log-receipt.ts';
import { manifestSchema } from '../../../../contract/formats/manifest.ts';
import { receiptSchema } from '../../../../contract/formats/receipt.ts';
import { segmentHeaderSchema, segmentIndexSchema } from '../../../../contract/formats/segment.ts';
import { agentRowSchema } from '../../../../contract/records/agent.ts';
import { backupRecordSchema } from '../../../../contract/records/backup.ts';
import { brokerAnswerSchema, brokerRequestSchema } from '../../../../contract/records/broker.ts';
import { clusterDocumentSchema, clusterRecordSchema } from '../../../../contract/records/cluster.ts';
import { eventDetailSchemas } from '../../../../contract/records/events.ts';
import { hostDocumentSchema, hostRecordSchema } from '../../../../contract/records/host.ts';
import {
  backupOrderSchema,
  backupResultSchema,
  checkOrderSchema,
  checkResultSchema,
  jobRowSchema,
  restoreOrderSchema,
  restoreResultSchema,
} from '../../../../contract/records/job.ts';
import { policySchema } from '../../../../contract/records/policy.ts';
import {
  restoreTablesOrderSchema,
  restoreTablesResultSchema,
} from '../../../../contract/records/restore-tables.ts';
import { runnerSettingsSchema } from '../../../../contract/records/runner-settings.ts';
import { archiveRecordSchema } from '../../../../functions/catalog/archive.ts';
import { breachRecordSchema } from '../../../../functions/catalog/breach.ts';
import { coverageRecordSchema } from '../../../../functions/catalog/coverage.ts';

/** Every format and record by the name of its example: files in `v<n>/`, code blocks in `docs/formats.md`. */
export const formatSchemas: Readonly<Record<string, z.ZodType>> = {
  manifest: manifestSchema,
  index: indexRowSchema,
  receipt: receiptSchema,
  agent: agentRowSchema,
  archive: archiveRecordSchema,
  'log-receipt': logReceiptSchema,
  'segment-header': segmentHeaderSchema,
  'segment-index': segmentIndexSchema,
  'cluster-document': clusterDocumentSchema,
  cluster: clusterRecordSchema,
  'host-document': hostDocumentSchema,
  host: hostRecordSchema,
  policy: policySchema,
  backup: backupRecordSchema,
  coverage: coverageRecordSchema,
  breach: breachRecordSchema,
  job: jobRowSchema,
  'order-check': checkOrderSchema,
  'order-backup': backupOrderSchema,
  'order-restore': restoreOrderSchema,
  'order-restore-tables': restoreTablesOrderSchema,
  'result-check': checkResultSchema,
  'result-backup': backupResultSchema,
  'result-restore': restoreResultSchema,
  'result-restore-tables': restoreTablesResultSchema,
  'event-backup-succeeded': eventDetailSchemas['Backup Succeeded'],
  'event-backup-failed': eventDetailSchemas['Backup Failed'],
  'event-backup-verified': eventDetailSchemas['Backup Verified'],
  'event-restore-completed': eventDetailSchemas['Restore Completed'],
  'broker-request': brokerRequestSchema,
  'broker-answer': brokerAnswerSchema,
  'broker-refusal': brokerAnswerSchema,
  'runner-settings': runnerSettingsSchema,
};
