import type { Manifest } from '../../contract/formats/manifest.ts';
import type { BackupRecord } from '../../contract/records/backup.ts';

/** What of a backup is compared with other backups. */
type Measured = Pick<BackupRecord, 'bytes' | 'tables' | 'rows'>;
type Metric = keyof Measured;

/** One measure outside the band around the history, and the sentence that says so. */
export type Deviation = { metric: Metric; way: 'below' | 'above'; reason: string };

/** How many of the last good backups the band is laid around. */
const historyLength = 7;

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

type Subject = Pick<Manifest, 'metrics' | 'plan' | 'backupId'>;
type Level = BackupRecord['level'];

/**
 * The measures in which backups of these levels can be compared. Tables and rows are those of the whole server, whatever
 * the level. Bytes are compared of fulls alone: an incremental has what changed since its parent, an hour or a week ago.
 */
const measures = (...levels: Level[]): readonly Metric[] =>
  levels.every((level) => level === 'full') ? ['bytes', 'tables', 'rows'] : ['tables', 'rows'];

const goodOf = (history: readonly BackupRecord[], { plan, backupId }: Subject) =>
  history
    .filter((b) => b.backupId !== backupId && b.method === plan.method)
    .filter((b) => b.state === 'verified' || b.state === 'proven');

/**
 * Bytes must lie within the band around the median of the last good ones of the level; tables and rows must not fall
 * below it, since growth is how databases live.
 */
function deviationsOf(
  measured: Measured & { level: Level },
  good: readonly BackupRecord[],
  bandPercent: number,
): Deviation[] {
  return measures(measured.level).flatMap((metric): Deviation[] => {
    const known = good
      .filter(({ level }) => measures(measured.level, level).includes(metric))
      .map((b) => b[metric])
      .filter((v) => v !== undefined)
      .slice(0, historyLength);
    const value = measured[metric];
    if (value === undefined || known.length === 0) return [];
    const middle = median(known);
    const low = middle * (1 - bandPercent / 100);
    const high = metric === 'bytes' ? middle * (1 + bandPercent / 100) : Number.POSITIVE_INFINITY;
    if (value >= low && value <= high) return [];
    const band =
      metric === 'bytes' ? `${Math.round(low)} to ${Math.round(high)}` : `at least ${Math.round(low)}`;
    const reason = `it has ${value} ${metric}; the last ${known.length} good backups have ${Math.round(middle)} in the middle, ${band} would be within ${bandPercent} %`;
    return [{ metric, way: value < low ? 'below' : 'above', reason }];
  });
}

/** Nothing at all is suspect even without a history (F74). */
function nothingIn({ metrics }: Pick<Manifest, 'metrics'>): string[] {
  if (metrics.tables === 0) return ['it holds no table'];
  return metrics.rows === 0 ? [`none of its ${metrics.tables} tables has a row`] : [];
}

/** Where the data was read before and after the tool ran, the two readings must lie within the band of each other. */
function movedWithin(
  { fingerprint, fingerprintBefore }: Pick<Manifest, 'fingerprint' | 'fingerprintBefore'>,
  bandPercent: number,
): string[] {
  if (fingerprintBefore === undefined) return [];
  const measure = ({ tables }: Manifest['fingerprint']) => ({
    tables: tables.length,
    rows: tables.reduce((sum, table) => sum + table.rows, 0),
  });
  const [before, after] = [measure(fingerprintBefore), measure(fingerprint)];
  return (['tables', 'rows'] as const).flatMap((metric) =>
    agree(before[metric], after[metric], bandPercent)
      ? []
      : [
          `it had ${before[metric]} ${metric} before the tool ran and ${after[metric]} after it, more than ${bandPercent} % apart`,
        ],
  );
}

/** Both lie within the band of the larger one. */
const agree = (a: number, b: number, bandPercent: number) =>
  Math.abs(a - b) <= Math.max(a, b) * (bandPercent / 100);

type Judged = Subject & Pick<Manifest, 'fingerprint' | 'fingerprintBefore'>;

/**
 * Sentences that make a complete backup suspect; none when it is as expected: it holds something, its measures lie
 * within the policy's band around the last verified or proven ones of the same method, and what was read before
 * the tool agrees with what was read after it.
 */
export function judgeMetrics(
  manifest: Judged,
  history: readonly BackupRecord[],
  bandPercent: number,
): string[] {
  return [
    ...nothingIn(manifest),
    ...deviationsOf(
      { ...manifest.metrics, level: manifest.plan.level },
      goodOf(history, manifest),
      bandPercent,
    ).map((d) => d.reason),
    ...movedWithin(manifest, bandPercent),
  ];
}

/** The committed backup of the same method that began last before this one. */
export const backupBefore = (
  of: Pick<BackupRecord, 'backupId' | 'method' | 'startedAt'>,
  history: readonly BackupRecord[],
): BackupRecord | undefined =>
  history
    .filter((b) => b.backupId !== of.backupId && b.method === of.method)
    .filter((b) => b.committedAt !== undefined && b.startedAt < of.startedAt)
    .toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1))[0];

/**
 * The suspect backup that this one confirms, and why: it came right before, both deviate from the history in the same
 * way, they agree with each other, and this one agrees with its own before and after. Then the change is real. A
 * backup of nothing confirms nothing: two of them in a row are what a lost data directory looks like.
 */
export function confirmedSuspect(
  manifest: Judged & Pick<Manifest, 'startedAt'>,
  history: readonly BackupRecord[],
  bandPercent: number,
): { backupId: string; reason: string } | undefined {
  const { metrics, plan, backupId, startedAt } = manifest;
  const before = backupBefore({ backupId, startedAt, method: plan.method }, history);
  if (before?.state !== 'suspect') return undefined;
  if (nothingIn(manifest).length > 0 || movedWithin(manifest, bandPercent).length > 0) return undefined;
  const good = goodOf(history, manifest);
  const shared = measures(plan.level, before.level);
  const ways = (of: Measured & { level: Level }) =>
    deviationsOf(of, good, bandPercent)
      .filter(({ metric }) => shared.includes(metric))
      .map(({ metric, way }) => `${metric} ${way}`)
      .join(', ');
  const ours = ways({ ...metrics, level: plan.level });
  if (ours === '' || ours !== ways(before)) return undefined;
  const close = shared.every((metric) => agree(metrics[metric], before[metric] ?? Number.NaN, bandPercent));
  if (!close) return undefined;
  return {
    backupId: before.backupId,
    reason: `the change is real: ${before.backupId} and ${backupId}, taken one after the other, deviate from the history in the same way (${ours}) and agree with each other within ${bandPercent} %`,
  };
}
