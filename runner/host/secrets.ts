import { GetSecretValueCommand, type SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { NamedError } from '../../contract/errors/named-error.ts';

/**
 * Makes the reader of this host's secrets, `holdfast/<hostId>/<name>`. Each value goes to `hide` before it is handed
 * out, so that no log line can hold it.
 */
export function makeReadSecret(
  client: SecretsManagerClient,
  hostId: string,
  hide: (secret: string) => void,
): (name: string) => Promise<string> {
  return async (name) => {
    if (!name.startsWith(`holdfast/${hostId}/`)) {
      throw new NamedError('Member.LoginFailed', `this host may read secrets holdfast/${hostId}/… only`, {
        field: 'credential.name',
        value: name,
      });
    }
    const answer = await client
      .send(new GetSecretValueCommand({ SecretId: name }))
      .catch((error: unknown) => {
        throw new NamedError(
          'Member.LoginFailed',
          `the secret could not be read: ${(error as Error).name}: ${(error as Error).message}`,
          { field: 'credential.name', value: name },
          { cause: error },
        );
      });
    const value = answer.SecretString ?? Buffer.from(answer.SecretBinary ?? []).toString('utf8');
    for (const secret of secretsWithin(value)) hide(secret);
    return value;
  };
}

/** The secret as a whole, and where it is a JSON object (as rotation writes it) its password on its own. */
function secretsWithin(value: string): string[] {
  try {
    const fields = JSON.parse(value) as Record<string, unknown>;
    const passwords = Object.entries(fields).filter(([name]) => /pass|secret|token|key/i.test(name));
    return [value, ...passwords.map(([, field]) => field).filter((field) => typeof field === 'string')];
  } catch {
    return [value];
  }
}
