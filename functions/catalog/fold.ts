import { type Receipt, type ReceiptFact, receiptFacts } from '../../contract/formats/receipt.ts';

/**
 * Facts of one instant in the order in which they happen. Where a backup was once called verified and once
 * suspect for the same cause, suspect is later: what is in doubt is not restored from.
 */
export const rankOf = (fact: ReceiptFact): number => receiptFacts.indexOf(fact);

/** Negative when `a` comes before `b`: by time of the cause, then by rank. Instants of one precision sort as text. */
export function compareFacts(a: Pick<Receipt, 'at' | 'fact'>, b: Pick<Receipt, 'at' | 'fact'>): number {
  if (a.at !== b.at) return a.at < b.at ? -1 : 1;
  return rankOf(a.fact) - rankOf(b.fact);
}

/**
 * The receipt of each backup that says how it stands now: each carries the whole record as of its fact, so the
 * newest one is the backup. The order of `receipts` and repeated ones make no difference.
 */
export function foldReceipts(receipts: Iterable<Receipt>): Receipt[] {
  const newest = new Map<string, Receipt>();
  for (const receipt of receipts) {
    const name = `${receipt.clusterId}/${receipt.backupId}`;
    const known = newest.get(name);
    if (known === undefined || compareFacts(known, receipt) < 0) newest.set(name, receipt);
  }
  return [...newest.entries()].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, receipt]) => receipt);
}
