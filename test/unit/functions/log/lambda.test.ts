import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import { answerBytesAtMost, makeLambda } from '../../../../functions/log/lambda.ts';

const event = z.object({ clusterId: z.string(), n: z.number() });

function lambda(
  handle: () => Promise<{ outcome: string; text?: string }>,
  onInvalid: 'refuse' | 'throw' = 'refuse',
) {
  const lines: Record<string, unknown>[] = [];
  const run = makeLambda({
    name: 'some',
    event,
    onInvalid,
    handle,
    write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>),
  });
  return { run, lines };
}

describe('what is around every function', () => {
  it('logs what came of it in one line of JSON with the ids', async () => {
    const { run, lines } = lambda(async () => ({ outcome: 'done' }));
    expect(await run({ clusterId: 'orders', n: 1 })).toEqual({ outcome: 'done' });
    expect(lines).toMatchObject([{ level: 'info', function: 'some', clusterId: 'orders', message: 'done' }]);
  });

  it('refuses a wrong event as a value, or throws where a refusal has no place', async () => {
    const cause = 'n is "x": Invalid input: expected number, received string';
    const { run } = lambda(async () => ({ outcome: 'done' }));
    expect(await run({ clusterId: 'orders', n: 'x' })).toEqual({
      outcome: 'refused',
      error: { name: 'Input.Invalid', cause },
    });
    const throwing = lambda(async () => ({ outcome: 'done' }), 'throw');
    await expect(throwing.run({ clusterId: 'orders', n: 'x' })).rejects.toMatchObject({
      name: 'Input.Invalid',
      message: cause,
    });
  });

  it('shows no secret of an event, however wrong it is', async () => {
    const run = (lines: string[]) =>
      makeLambda({
        name: 'some',
        event: z.strictObject({ secret: z.string().min(32), token: z.string().max(3) }),
        onInvalid: 'refuse',
        handle: async () => ({ outcome: 'done' }),
        write: (line) => lines.push(line),
      });
    const lines: string[] = [];
    const answer = await run(lines)({ secret: 'hunter2', token: 'AQCEAAAAKgAA' });
    expect(JSON.stringify([answer, lines])).toContain('secret: Too small');
    expect(JSON.stringify([answer, lines])).not.toMatch(/hunter2|AQCEA/);
  });

  it('keeps long values out of refusals, and names at most five problems', async () => {
    const wide = z.object(Object.fromEntries('abcdefg'.split('').map((name) => [name, z.literal(1)])));
    const run = makeLambda({
      name: 'some',
      event: wide,
      onInvalid: 'refuse',
      handle: async () => ({ outcome: 'done' }),
      write: () => undefined,
    });
    const answer = await run({ a: 'x'.repeat(500) });
    if (!('error' in answer)) throw new Error('not refused');
    expect(answer.error.cause).toMatch(/^a is "x{79}…: .*; and 2 more$/);
  });

  it('F21: lets no answer grow towards the 256 KiB that a state takes', async () => {
    const { run } = lambda(async () => ({ outcome: 'done', text: 'x'.repeat(answerBytesAtMost) }));
    await expect(run({ clusterId: 'orders', n: 1 })).rejects.toThrow(
      /answer of some has \d+ bytes, more than 204800/,
    );
  });

  it('lets an error through under its own name, and logs it', async () => {
    const { run, lines } = lambda(async () => {
      throw new NamedError('Store.Denied', 'get of s3://a/b was denied');
    });
    await expect(run({ clusterId: 'orders', n: 1 })).rejects.toMatchObject({ name: 'Store.Denied' });
    expect(lines).toMatchObject([{ level: 'error', error: { name: 'Store.Denied' } }]);
  });
});
