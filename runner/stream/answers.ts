import { NamedError } from '../../contract/errors/named-error.ts';
import type { Answer } from './exchange.ts';
import type { Attempt } from './retry.ts';

/** What an answer that is not a success means for the request. */
export type Refusal =
  | { meaning: 'again'; reason: string }
  | { meaning: 'new-credentials'; reason: string }
  | { meaning: 'damaged'; reason: string }
  | { meaning: 'exists' }
  | { meaning: 'final'; error: NamedError };

const tag = (text: string, name: string) => new RegExp(`<${name}>([^<]{0,500})</${name}>`).exec(text)?.[1];

/** The store's own code for an error: of its XML, else the status. */
export const codeOf = (answer: Answer) => tag(answer.text, 'Code') ?? `HTTP ${answer.status}`;

/** 307: a new bucket whose name has not spread. 408 and RequestTimeout: the connection was too slow. */
const againStatus = new Set([307, 408, 409, 429, 500, 502, 503, 504]);
const againCode = new Set([
  'RequestTimeout',
  'SlowDown',
  'InternalError',
  'IncompleteBody',
  'KMS.ThrottlingException',
]);
const credentialCode = new Set(['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired']);
const damagedCode = new Set(['BadDigest', 'XAmzContentChecksumMismatch']);
const regionCode = new Set([
  'PermanentRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
]);

/**
 * Judges an answer that is not a success (S3 API reference, "Error responses"). What can pass is tried again;
 * what only a person can change is final at once, with the store's code.
 */
export function judge(answer: Answer, what: string): Refusal {
  const code = codeOf(answer);
  const reason = `${answer.status} ${code}`;
  const message = tag(answer.text, 'Message') ?? '';
  if (credentialCode.has(code)) return { meaning: 'new-credentials', reason };
  if (damagedCode.has(code)) return { meaning: 'damaged', reason };
  if (againCode.has(code) || againStatus.has(answer.status)) return { meaning: 'again', reason };
  if (answer.status === 412) return { meaning: 'exists' };
  const facts = { code, status: answer.status };
  if (answer.status === 301 || regionCode.has(code)) {
    const right = answer.header('x-amz-bucket-region') ?? tag(answer.text, 'Region') ?? 'another region';
    return {
      meaning: 'final',
      error: new NamedError(
        'Store.Denied',
        `${what}: the bucket is in ${right}, not in the region of the settings (${reason})`,
        { ...facts, region: right },
      ),
    };
  }
  return {
    meaning: 'final',
    error: new NamedError('Store.Denied', `${what}: ${reason} ${message}`.trim(), facts),
  };
}

/** What an answer without the bytes means for a get. Throws what is final; an object that is not there is damage. */
export function judgeGet(answer: Answer, key: string): Attempt<never> {
  const refusal = judge(answer, `get of ${key}`);
  if (answer.status === 404 || answer.status === 416) {
    throw new NamedError(
      'Restore.StreamDamaged',
      `${key} is not stored as the index says (${answer.status} ${codeOf(answer)})`,
      { key },
    );
  }
  if (refusal.meaning === 'final') throw refusal.error;
  if (refusal.meaning === 'new-credentials') return { again: refusal.reason, newCredentials: true };
  return { again: `${answer.status} ${codeOf(answer)}` };
}
