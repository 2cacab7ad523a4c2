import type { z } from 'zod';
import { type ErrorRecord, NamedError, toErrorRecord } from '../../contract/errors/named-error.ts';
import { type Log, makeLog } from './log.ts';

/** Step Functions takes 256 KiB; what comes near it is a mistake that a larger fleet would turn into a failure. */
export const answerBytesAtMost = 200 * 1024;

/** Values of such fields are nobody's to read, however wrong they are. */
const secretField = /secret|token|password|credential/i;

/** The value at a path, short enough to be shown; undefined where there is none, or where it may be a secret. */
function shown(input: unknown, path: readonly PropertyKey[]): string | undefined {
  if (path.some((step) => secretField.test(String(step)))) return undefined;
  const value = path.reduce<unknown>(
    (at, step) =>
      at !== null && typeof at === 'object' ? (at as Record<PropertyKey, unknown>)[step] : undefined,
    input,
  );
  const text = value === undefined || typeof value === 'object' ? undefined : JSON.stringify(value);
  return text !== undefined && text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** `members.0.hostId is "I-1": must match …`, one per problem, the first five: field, value, what would be right. */
export function describeIssues(error: z.ZodError, input?: unknown): string {
  const said = error.issues.slice(0, 5).map((issue) => {
    const value = shown(input, issue.path);
    const field = issue.path.map(String).join('.') || 'the input';
    return `${field}${value === undefined ? '' : ` is ${value}`}: ${issue.message}`;
  });
  const more = error.issues.length - said.length;
  return said.join('; ') + (more > 0 ? `; and ${more} more` : '');
}

/** A refusal as a value, for Choice states. */
export type Refused = { outcome: 'refused'; error: ErrorRecord };

export const refused = (
  name: ConstructorParameters<typeof NamedError>[0],
  cause: string,
  facts?: ErrorRecord['facts'],
): Refused => ({ outcome: 'refused', error: { name, cause, ...(facts === undefined ? {} : { facts }) } });

const idsIn = (event: unknown) =>
  event !== null && typeof event === 'object'
    ? Object.fromEntries(
        ['execution', 'clusterId', 'backupId', 'jobId', 'slot'].flatMap((name) => {
          const value = (event as Record<string, unknown>)[name];
          return typeof value === 'string' ? [[name, value]] : [];
        }),
      )
    : {};

/**
 * What every function has around it: the event is checked (wrong ones are refused as a value where the function
 * can refuse, else thrown as `Input.Invalid`), the answer is kept below 200 KiB, and begin, end and error are logged.
 */
export function makeLambda<S extends z.ZodType, R extends { outcome: string }>(of: {
  name: string;
  event: S;
  onInvalid: 'refuse' | 'throw';
  handle: (event: z.output<S>, log: Log) => Promise<R>;
  write?: (line: string) => void;
}): (event: unknown) => Promise<R | Refused> {
  return async (event) => {
    const log = makeLog({ function: of.name, ...idsIn(event) }, of.write);
    const read = of.event.safeParse(event);
    if (!read.success) {
      const cause = describeIssues(read.error, event);
      log.error('refused: Input.Invalid', { cause });
      if (of.onInvalid === 'refuse') return refused('Input.Invalid', cause);
      throw new NamedError('Input.Invalid', cause);
    }
    try {
      const answer = await of.handle(read.data, log);
      const bytes = Buffer.byteLength(JSON.stringify(answer));
      if (bytes > answerBytesAtMost) {
        throw new NamedError(
          'Holdfast.Unexpected',
          `the answer of ${of.name} has ${bytes} bytes, more than ${answerBytesAtMost}; such facts belong in an object`,
        );
      }
      log.info(answer.outcome);
      return answer;
    } catch (thrown) {
      const error = toErrorRecord(thrown);
      log.error('failed', { error });
      if (thrown instanceof NamedError) throw thrown;
      // What a service threw has its own name in the cause: an execution ends by one of ours.
      throw new NamedError('Holdfast.Unexpected', error.cause, {}, { cause: thrown });
    }
  };
}
