import { NamedError } from '../../contract/errors/named-error.ts';
import { judgeGet } from './answers.ts';
import { exchange } from './exchange.ts';
import { reasonOf } from './reason.ts';
import { attemptUntilDone } from './retry.ts';
import type { Wire } from './wire.ts';

/** Bytes `from`…`from + into.length` of an object go into `into`. */
export type GetRequest = {
  key: string;
  versionId?: string;
  from: number;
  into: Buffer;
  signal?: AbortSignal;
};

export type GetObject = (request: GetRequest) => Promise<void>;

/**
 * Makes the ranged get: fills the given buffer, so that nothing is gathered and copied again. A connection that
 * breaks goes on where it broke.
 * Errors: Restore.StreamDamaged where the object or the range is not there, Store.Denied, Store.Unavailable.
 */
export function makeGetObject({ dispatcher, origin, sign, patience, log }: Wire): GetObject {
  return ({ key, versionId, from, into, signal }) => {
    let received = 0;

    return attemptUntilDone<void>({
      what: `get of ${key}`,
      patience,
      signal,
      onRetry: (reason, attempt) => log('get is tried again', { key, attempt, reason }),
      attempt: async (_number, freshCredentials) => {
        const request = await sign(
          {
            method: 'GET',
            key,
            headers: { range: `bytes=${from + received}-${from + into.length - 1}` },
            ...(versionId === undefined ? {} : { versionId }),
          },
          { freshCredentials },
        );
        // A store may ignore the range and answer 200 with the whole object (RFC 9110, 14.2).
        let skip = from + received;
        try {
          const answer = await exchange({
            dispatcher,
            origin,
            request,
            onData: (chunk, status) => {
              const begin = status === 200 ? Math.min(skip, chunk.length) : 0;
              skip -= begin;
              // Never past the buffer, whatever the store sends.
              received += chunk.copy(into, received, begin);
            },
            stallMs: patience.stallMs,
            signal,
          });
          if (answer.status !== 206 && answer.status !== 200) return judgeGet(answer, key);
        } catch (error) {
          if (error instanceof NamedError) throw error;
          signal?.throwIfAborted();
          return { again: reasonOf(error) };
        }
        return received === into.length
          ? { done: undefined }
          : { again: `${received} of ${into.length} bytes came` };
      },
    });
  };
}
