/** Where a secret could have been left. Every kind is searched, and a test plants something in each. */
export const kinds = [
  'argument',
  'environment',
  'file of a host',
  'log of a runner',
  'log of the emulator',
  'log of a function',
  'variable of a function',
  'parameter',
  'command',
  'execution',
  'history',
  'row',
  'object',
  'metadata of an object',
] as const;
export type Kind = (typeof kinds)[number];

/** A text that can be read back after a run, and where it stands. */
export type Place = { kind: Kind; where: string; text: string };

/** `value` is what must not be found. */
export type Secret = { name: SecretName; value: string };
export type SecretName =
  | 'password of a database account'
  | 'credentials of a host'
  | 'lent credentials'
  | 'secret of a claim'
  | 'task token'
  | 'identity of a local host';

/** Ways in which a text holds a secret: as it is, within JSON (also JSON within JSON), within a URL, in base64. */
function formsOf(value: string): string[] {
  const json = JSON.stringify(value).slice(1, -1);
  return [
    ...new Set([
      value,
      json,
      JSON.stringify(json).slice(1, -1),
      encodeURIComponent(value),
      Buffer.from(value).toString('base64'),
    ]),
  ];
}

/**
 * Where a secret belongs, and why:
 * - Step Functions hands a task's token to dispatch, so both the history and the row that dispatch writes hold it; the
 *   row's is erased when the job ends, and a token is worth nothing once its task is answered.
 * - A local host's identity stands in for the instance metadata service: in its `etc/environment`, from which launcher
 *   and runner have it in their environment. On AWS there is neither.
 */
function belongs({ name }: Secret, { kind, where }: Place): boolean {
  if (name === 'task token') return kind === 'history' || (kind === 'row' && where.includes('job#'));
  if (name === 'identity of a local host') {
    if (kind === 'file of a host') return where.endsWith('/etc/environment');
    return kind === 'environment' && /\/(holdfast-launch|runner\.mjs)(\s|$)/.test(where);
  }
  return false;
}

/** Every secret that lies where it does not belong: `<secret> in <kind> <where>`, without the secret itself. */
export function findSecrets(places: readonly Place[], secrets: readonly Secret[]): string[] {
  const wanted = secrets.map((secret) => ({ secret, forms: formsOf(secret.value) }));
  return places.flatMap((place) =>
    wanted
      .filter(({ secret, forms }) => forms.some((f) => place.text.includes(f)) && !belongs(secret, place))
      .map(({ secret }) => `${secret.name} in ${place.kind} ${place.where}`),
  );
}
