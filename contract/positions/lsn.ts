import { NamedError } from '../errors/named-error.ts';

/** An InnoDB log sequence number as tools print it: decimal, 64 bits, more than a JavaScript number holds. Throws `Input.Invalid`. */
export function parseLsn(text: string): bigint {
  const lsn = /^\d{1,20}$/.test(text.trim()) ? BigInt(text.trim()) : undefined;
  if (lsn === undefined || lsn > 2n ** 64n - 1n) {
    throw new NamedError('Input.Invalid', `LSN: ${text.slice(0, 60)} is not a decimal number of 64 bits`, {
      field: 'lsn',
      value: text.slice(0, 60),
    });
  }
  return lsn;
}

/** Negative where `a` lies before `b`, 0 where they are the same, positive where `a` lies behind. */
export function compareLsn(a: string, b: string): number {
  const [left, right] = [parseLsn(a), parseLsn(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}
