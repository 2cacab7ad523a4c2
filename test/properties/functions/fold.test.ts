import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Receipt, receiptFacts } from '../../../contract/formats/receipt.ts';
import { foldReceipts } from '../../../functions/catalog/fold.ts';
import { makeMemoryCatalog } from '../../doubles/memory-catalog.ts';
import { aBackup } from '../../doubles/records.ts';

const receipts = fc.array(
  fc
    .record({
      fact: fc.constantFrom(...receiptFacts),
      minute: fc.integer({ min: 0, max: 5 }),
      backupId: fc.constantFrom('b-1', 'b-2', 'b-3'),
    })
    .map(
      ({ fact, minute, backupId }): Receipt => ({
        v: 1,
        fact,
        clusterId: 'orders',
        backupId,
        at: new Date(Date.UTC(2026, 10, 23, 1, minute)).toISOString(),
        by: 'arn:e1',
        reasons: [],
        // A receipt is written once, so its name decides what it says.
        backup: aBackup({ backupId, reasons: [`${fact} ${minute}`] }),
      }),
    ),
  { maxLength: 20 },
);

describe('the catalog', () => {
  it('F49: is the fold of its receipts, in whatever order and however often they came', async () => {
    await fc.assert(
      fc.asyncProperty(receipts, fc.infiniteStream(fc.nat()), async (written, random) => {
        const arrived = [...written, ...written.slice(0, 5)]
          .map((receipt) => ({ receipt, place: random.next().value ?? 0 }))
          .toSorted((a, b) => a.place - b.place)
          .map(({ receipt }) => receipt);
        const { backups } = makeMemoryCatalog();
        for (const receipt of arrived) await backups.apply(receipt);
        const listed = (await backups.list('orders')).toSorted((a, b) => (a.backupId < b.backupId ? -1 : 1));
        expect(listed).toEqual(foldReceipts(written).map((receipt) => receipt.backup));
      }),
      { numRuns: 300 },
    );
  });
});
