import { NamedError } from '../../contract/errors/named-error.ts';
import { judgeGet } from './answers.ts';
import { exchange } from './exchange.ts';
import { reasonOf } from './reason.ts';
import { attemptUntilDone } from './retry.ts';
import type { Wire } from './wire.ts';

/** A whole object of unknown size, at most `most` bytes. */
export type GetSmallObject = (request: {
  key: string;
  most: number;
  signal?: AbortSignal;
}) => Promise<Buffer>;

/** Makes the get of a small object, such as a manifest. Errors as the ranged get's; Restore.StreamDamaged above `most`. */
export function makeGetSmallObject(wire: Wire): GetSmallObject {
  return ({ key, most, signal }) =>
    attemptUntilDone<Buffer>({
      what: `get of ${key}`,
      patience: wire.patience,
      signal,
      onRetry: (reason, attempt) => wire.log('get is tried again', { key, attempt, reason }),
      attempt: async (_number, freshCredentials) => {
        const request = await wire.sign({ method: 'GET', key, headers: {} }, { freshCredentials });
        const chunks: Buffer[] = [];
        let bytes = 0;
        try {
          const answer = await exchange({
            ...wire,
            request,
            onData: (chunk) => {
              bytes += chunk.length;
              if (bytes <= most) chunks.push(Buffer.from(chunk));
            },
            stallMs: wire.patience.stallMs,
            signal,
          });
          if (answer.status !== 200) return judgeGet(answer, key);
          const length = answer.header('content-length');
          if (length !== undefined && Number(length) !== bytes)
            return { again: `${bytes} of ${length} bytes came` };
        } catch (error) {
          if (error instanceof NamedError) throw error;
          signal?.throwIfAborted();
          return { again: reasonOf(error) };
        }
        if (bytes <= most) return { done: Buffer.concat(chunks) };
        throw new NamedError('Restore.StreamDamaged', `${key} has ${bytes} bytes; at most ${most} are due`, {
          key,
          bytes,
        });
      },
    });
}
