import type { Dispatcher } from 'undici';
import type { SignedRequest } from './sign.ts';

/** What the store answered. `text` is the body when nobody else took it, 64 KiB at most. */
export type Answer = {
  status: number;
  header: (name: string) => string | undefined;
  text: string;
};

export type ExchangeOptions = {
  dispatcher: Dispatcher;
  origin: string;
  request: SignedRequest;
  /** Sent in slices; `sent` is called when the last slice has been handed to the operating system. */
  body?: { bytes: Buffer; sent: () => void; hesitate: boolean };
  /** Gets the body of a 200 or 206 as it comes; what it is given holds only for the call. */
  onData?: (chunk: Buffer, status: 200 | 206) => void;
  /** Milliseconds without a slice taken or a byte received until the attempt is given up. */
  stallMs: number;
  signal?: AbortSignal | undefined;
};

/** No byte moved for too long. */
export class StallError extends Error {
  override readonly name = 'StallError';
}

/**
 * What one write hands over. TLS keeps a copy of what it was given until it is sent, so this, not the volume's
 * size, is what a connection costs in memory.
 */
const sliceBytes = 256 * 1024;
const mostText = 64 * 1024;
/** How long a hesitating body waits for an early answer before it sends the rest, well within the stall time. */
const hesitationMs = (stallMs: number) => Math.min(1000, stallMs / 3);

/**
 * One HTTP exchange. Rejects when the connection breaks or stalls; any answer is an answer. A body that hesitates
 * sends one slice and waits a moment: a store that refuses early answers then, where otherwise the refusal would be
 * lost in the reset of a connection that still sends.
 */
export function exchange(options: ExchangeOptions): Promise<Answer> {
  const { dispatcher, origin, request, body, stallMs, signal } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  let abortRequest: ((reason: Error) => void) | undefined;
  let over = false;
  let answered = () => {};
  const answering = new Promise<void>((heard) => {
    answered = heard;
  });

  const settle = (finish: () => void) => {
    if (over) return;
    over = true;
    clearTimeout(watch);
    signal?.removeEventListener('abort', onAbort);
    answered();
    finish();
  };
  const stop = (reason: Error) => {
    settle(() => reject(reason));
    abortRequest?.(reason);
  };
  const onAbort = () => stop(signal?.reason);
  const watch = setTimeout(() => stop(new StallError(`nothing moved for ${stallMs} ms`)), stallMs);

  async function* slices(bytes: Buffer, sent: () => void, hesitate: boolean) {
    for (let at = 0; at < bytes.length; at += sliceBytes) {
      if (at === sliceBytes && hesitate) {
        const timer = Promise.withResolvers<void>();
        const ring = setTimeout(timer.resolve, hesitationMs(stallMs));
        await Promise.race([answering, timer.promise]);
        clearTimeout(ring);
      }
      yield bytes.subarray(at, at + sliceBytes);
      // A connection that broke has been reported by now; what it held back was not sent.
      if (over) return;
      watch.refresh();
    }
    sent();
  }

  if (signal?.aborted) {
    clearTimeout(watch);
    return Promise.reject(signal.reason);
  }
  signal?.addEventListener('abort', onAbort, { once: true });

  let status = 0;
  let headers: Record<string, string | string[] | undefined> = {};
  const text: Buffer[] = [];
  let textBytes = 0;
  dispatcher.dispatch(
    {
      origin,
      path: request.path,
      method: request.method,
      headers: request.headers,
      body: body === undefined ? null : (slices(body.bytes, body.sent, body.hesitate) as never),
      // Undici's own timers take a body that is still being sent for a server that does not answer.
      headersTimeout: 0,
      bodyTimeout: 0,
    },
    {
      onRequestStart: (controller) => {
        abortRequest = (reason) => controller.abort(reason);
        if (over) controller.abort(new Error('given up'));
      },
      onResponseStart: (_controller, statusCode, responseHeaders) => {
        watch.refresh();
        status = statusCode;
        headers = responseHeaders;
        answered();
      },
      onResponseData: (_controller, chunk) => {
        watch.refresh();
        if (options.onData && (status === 200 || status === 206)) {
          if (!over) options.onData(chunk, status);
        } else if (textBytes < mostText) {
          text.push(Buffer.from(chunk));
          textBytes += chunk.length;
        }
      },
      onResponseEnd: () =>
        settle(() =>
          resolve({
            status,
            header: (name) => {
              const value = headers[name];
              return Array.isArray(value) ? value[0] : value;
            },
            text: Buffer.concat(text).toString('utf8'),
          }),
        ),
      onResponseError: (_controller, error) => settle(() => reject(error)),
    },
  );
  return promise;
}
