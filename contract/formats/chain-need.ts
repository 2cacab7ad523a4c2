import type { Manifest } from './manifest.ts';

type Link = Pick<Manifest, 'restore'> & { metrics: Pick<Manifest['metrics'], 'bytes'> };

/** Disk that a restore of these backups needs, base first: the largest that the data becomes, and the largest incremental beside it. */
export function bytesOfChain(links: readonly Link[]): { bytes: number; unpackedBytes: number } {
  const [base, ...incrementals] = links;
  const data = Math.max(...links.map(({ restore }) => restore.bytes));
  const beside = Math.max(0, ...incrementals.map(({ metrics }) => metrics.bytes));
  return { bytes: data + beside, unpackedBytes: (base?.metrics.bytes ?? 0) + beside };
}
