import { crc32 } from 'node:zlib';
import { NamedError } from '../../contract/errors/named-error.ts';
import { judge } from './answers.ts';
import { crcBase64, crcHex } from './crc.ts';
import { type Answer, exchange } from './exchange.ts';
import { reasonOf } from './reason.ts';
import { type Attempt, attemptUntilDone } from './retry.ts';
import type { Wire } from './wire.ts';

/** `crc` is the CRC32 of `body` as an unsigned number. The body must not change until the promise settles. */
export type PutRequest = { key: string; body: Buffer; crc: number; signal?: AbortSignal };

/** `versionId` is null where the bucket has no versions, and where the answer to the put that stored was lost. */
export type PutObject = (request: PutRequest) => Promise<{ versionId: string | null }>;

/** How often damaged bytes are sent again before host and network are blamed. */
const damagedResends = 3;

/**
 * Makes the put of write-once objects: one conditional PutObject each, never a multipart upload. Every attempt sends
 * the same bytes with their CRC32, so the store refuses what arrives damaged, and an attempt whose answer was lost
 * shows as "exists already" in the next one.
 * Errors: Store.Conflict, Store.Denied, Store.Unavailable, Verify.ObjectDiffers, and the signal's reason.
 */
export function makePutObject({ dispatcher, origin, sign, patience, log }: Wire): PutObject {
  /** Keys whose bytes this process has sent in full without hearing that they are stored: the store may have them. */
  const perhapsStored = new Set<string>();

  return ({ key, body, crc, signal }) => {
    const checksum = crcBase64(crc);
    let damaged = 0;
    let wasCut = false;

    const refused = (answer: Answer, sentBefore: boolean): Attempt<{ versionId: null }> => {
      const refusal = judge(answer, `put of ${key}`);
      switch (refusal.meaning) {
        case 'exists':
          perhapsStored.delete(key);
          if (sentBefore) return { done: { versionId: null } };
          throw new NamedError(
            'Store.Conflict',
            `${key} exists already and this run did not write it; a key is written once, by one run`,
            { key },
          );
        case 'damaged':
          damaged += 1;
          if (damaged <= damagedResends) return { again: refusal.reason };
          throw new NamedError('Store.Unavailable', blame(key, body, crc, damaged), {
            key,
            attempts: damaged,
          });
        case 'new-credentials':
          return { again: refusal.reason, newCredentials: true };
        case 'final':
          throw refusal.error;
        case 'again':
          return { again: refusal.reason };
      }
    };

    return attemptUntilDone<{ versionId: string | null }>({
      what: `put of ${key}`,
      patience,
      signal,
      onRetry: (reason, attempt) => log('put is tried again', { key, attempt, reason }),
      attempt: async (_number, freshCredentials) => {
        const request = await sign(
          {
            method: 'PUT',
            key,
            headers: {
              'content-length': String(body.length),
              'if-none-match': '*',
              'x-amz-checksum-crc32': checksum,
            },
          },
          { freshCredentials },
        );
        let sentInFull = false;
        // Of an earlier attempt: the answer to this one says whose bytes were there before it came.
        const sentBefore = perhapsStored.has(key);
        const sent = () => {
          sentInFull = true;
          perhapsStored.add(key);
        };
        let answer: Answer;
        try {
          answer = await exchange({
            dispatcher,
            origin,
            request,
            body: { bytes: body, sent, hesitate: wasCut },
            stallMs: patience.stallMs,
            signal,
          });
        } catch (error) {
          signal?.throwIfAborted();
          wasCut = !sentInFull;
          return { again: reasonOf(error) };
        }
        if (answer.status !== 200) return refused(answer, sentBefore);
        perhapsStored.delete(key);
        const stored = answer.header('x-amz-checksum-crc32');
        if (stored !== undefined && stored !== checksum) {
          throw new NamedError(
            'Verify.ObjectDiffers',
            `the store says that ${key} has the CRC32 ${stored}, what was sent has ${checksum}`,
            { key },
          );
        }
        return { done: { versionId: answer.header('x-amz-version-id') ?? null } };
      },
    });
  };
}

function blame(key: string, body: Buffer, crc: number, times: number): string {
  const now = crc32(body);
  const where =
    now === crc
      ? 'the bytes in memory are as they were, so they change on their way: suspect this host’s network card or the network between'
      : `the bytes in memory have changed since their CRC32 was taken (${crcHex(crc)}, now ${crcHex(now)}): suspect this host’s memory`;
  return `${key} arrived damaged ${times} times; ${where}`;
}
