import type { z } from 'zod';

/** `policies[0].schedule.cron` from zod's list of steps. */
const pathText = (path: readonly PropertyKey[]) =>
  path.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text === '' ? String(step) : `${text}.${String(step)}`;
  }, '');

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((at, step) => (at as Record<PropertyKey, unknown> | undefined)?.[step], value);

/** One line for each problem: path, what would be right, and the value that is there. */
export const describeProblems = (error: z.ZodError, input: unknown): string[] =>
  error.issues.map((issue) => {
    const value = valueAt(input, issue.path);
    const shown = value === undefined ? 'missing' : JSON.stringify(value).slice(0, 200);
    return `${pathText(issue.path) || 'settings'}: ${issue.message} (is ${shown})`;
  });
