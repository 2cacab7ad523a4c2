import type { z } from 'zod';
import { NamedError } from '../../contract/errors/named-error.ts';

/** Reads a function's environment by its schema. Throws `Settings.Invalid` naming each variable that is wrong. */
export function readEnv<S extends z.ZodType>(
  schema: S,
  env: Readonly<Record<string, string | undefined>>,
): z.output<S> {
  const read = schema.safeParse(env);
  if (read.success) return read.data;
  const wrong = read.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  throw new NamedError('Settings.Invalid', `the function's environment is not right: ${wrong}`);
}
