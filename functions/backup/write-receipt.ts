import { NamedError } from '../../contract/errors/named-error.ts';
import { decodeReceipt, encodeReceipt } from '../../contract/formats/codec.ts';
import type { Receipt } from '../../contract/formats/receipt.ts';
import { receiptKey } from '../../contract/layout.ts';
import type { Objects } from '../clients/objects.ts';

/**
 * Writes a receipt once and answers the one that counts: ours, or the one that is there already (a second call, or
 * an adoption after it). Throws `Store.Conflict` when that one speaks of another manifest.
 */
export async function writeReceipt(
  objects: Pick<Objects, 'putOnce' | 'get' | 'bucket'>,
  receipt: Receipt,
): Promise<Receipt> {
  const key = receiptKey(receipt, receipt.at, receipt.fact);
  const written = await objects.putOnce(key, encodeReceipt(receipt));
  if (written.outcome === 'written') return receipt;
  const stored = await objects.get(key);
  if (stored === undefined) {
    throw new NamedError('Store.Conflict', `s3://${objects.bucket}/${key} exists and cannot be read`, {
      key,
    });
  }
  const known = decodeReceipt(stored.body);
  if (known.backup.manifestSha256 !== receipt.backup.manifestSha256) {
    throw new NamedError(
      'Store.Conflict',
      `the receipt s3://${objects.bucket}/${key} speaks of manifest ${known.backup.manifestSha256}, found was ${receipt.backup.manifestSha256}`,
      { key },
    );
  }
  return known;
}
