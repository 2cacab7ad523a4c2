import type { ErrorName } from './names.ts';

/** Small facts that go with an error: shown to operators, never secrets. */
export type ErrorFacts = Readonly<Record<string, string | number | boolean | null>>;

/**
 * An error with a name from the registry in `names.ts`. `message` says what happened and what would be right;
 * `facts` carries the field, the value and numbers an operator needs to act.
 */
export class NamedError extends Error {
  readonly facts: ErrorFacts;

  constructor(name: ErrorName, message: string, facts: ErrorFacts = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = name;
    this.facts = facts;
  }
}

/** What travels in results, job rows and Fail states in place of a thrown error. */
export type ErrorRecord = { name: string; cause: string; facts?: ErrorFacts };

/** Turns anything thrown into a record; what has no name of ours becomes `Holdfast.Unexpected`. */
export function toErrorRecord(thrown: unknown): ErrorRecord {
  if (thrown instanceof NamedError) {
    return { name: thrown.name, cause: thrown.message, facts: thrown.facts };
  }
  const cause = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  return { name: 'Holdfast.Unexpected', cause };
}
