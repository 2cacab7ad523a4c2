import { describe, expect, it } from 'vitest';
import { type Receipt, type ReceiptFact, receiptFacts } from '../../../../contract/formats/receipt.ts';
import { compareFacts, foldReceipts } from '../../../../functions/catalog/fold.ts';
import { aBackup } from '../../../doubles/records.ts';

const receipt = (fact: ReceiptFact, minute: number, backupId = 'b-1'): Receipt => ({
  v: 1,
  fact,
  clusterId: 'orders',
  backupId,
  at: new Date(Date.UTC(2026, 10, 23, 1, minute)).toISOString(),
  by: 'arn:e1',
  reasons: [],
  backup: aBackup({ backupId, bytes: minute, reasons: [fact] }),
});

describe('folding receipts', () => {
  it('takes the newest fact of each backup, whatever the order and however often it is seen', () => {
    const receipts = [
      receipt('proven', 9),
      receipt('committed', 1),
      receipt('verified', 1),
      receipt('verified', 1),
      receipt('committed', 5, 'b-2'),
    ];
    const newest = [
      ['b-1', 'proven'],
      ['b-2', 'committed'],
    ];
    for (const order of [receipts, receipts.toReversed(), [...receipts, ...receipts]]) {
      expect(foldReceipts(order).map((r) => [r.backupId, r.fact])).toEqual(newest);
    }
    expect(foldReceipts([])).toEqual([]);
  });

  it('puts the commit before the verdict of the same instant, and doubt after approval', () => {
    const same = ['suspect', 'verified', 'committed'] as const;
    const sorted = same.map((fact) => receipt(fact, 1)).toSorted(compareFacts);
    expect(sorted.map((r) => r.fact)).toEqual(['committed', 'verified', 'suspect']);
    expect(compareFacts(receipt('expired', 1), receipt('committed', 2))).toBeLessThan(0);
    expect(receiptFacts.every((fact) => compareFacts(receipt(fact, 1), receipt(fact, 1)) === 0)).toBe(true);
  });
});
