import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { NamedError } from '../../../contract/errors/named-error.ts';
import type { Credential, Member } from '../../../contract/records/cluster.ts';
import { writeSecretFile } from '../../host/files.ts';
import type { EngineContext } from '../engine.ts';
import { formatClientOptions, parseClientOptions } from './option-file.ts';

/** Who the runner is on a server and how it gets there. Held in memory and in an option file, never in argv or environment. */
export type Login = {
  user: string;
  password: string | undefined;
  address: { socket: string } | { host: string; port: number };
};

const secretSchema = z.looseObject({ user: z.string().min(1), password: z.string() });

function refuse(member: Member, message: string, field: string): NamedError {
  return new NamedError('Member.LoginFailed', `member ${member.memberId}: ${message}`, {
    memberId: member.memberId,
    field,
  });
}

async function whoWeAre(member: Member, credential: Credential, context: EngineContext) {
  if (credential.kind === 'socket') return { user: credential.user, password: undefined };
  if (credential.kind === 'file') {
    const text = await readFile(credential.path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw refuse(member, `${credential.path} cannot be read: ${error.code}`, 'credential.path');
    });
    const { user, password } = parseClientOptions(text);
    if (user === undefined) {
      throw refuse(member, `${credential.path} names no user in [client]`, 'credential.path');
    }
    return { user, password };
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(await context.readSecret(credential.name));
  } catch (error) {
    if (error instanceof NamedError) throw error;
    throw refuse(member, `the secret ${credential.name} cannot be read as JSON`, 'credential.name');
  }
  const secret = secretSchema.safeParse(parsed);
  if (!secret.success) {
    throw refuse(member, `the secret ${credential.name} must be {"user", "password"}`, 'credential.name');
  }
  return { user: secret.data.user, password: secret.data.password };
}

/** Finds out user, password and address of a member: the unix socket first, where the document names one. */
export async function resolveLogin(member: Member, context: EngineContext): Promise<Login> {
  const { user, password } = await whoWeAre(member, member.credential, context);
  if (password !== undefined) context.hide?.(password);
  const address =
    member.socket !== undefined
      ? { socket: member.socket }
      : { host: member.address ?? '127.0.0.1', port: member.port ?? 3306 };
  return { user, password, address };
}

/**
 * Writes the option file through which the tools log in: 0600, in the job's private directory. It is the tools'
 * only option file (`--defaults-file`), so that nothing of the host's files can change what they do.
 * @returns its path
 */
export function writeToolOptions(login: Login, workDir: string): string {
  const path = join(workDir, 'client.cnf');
  writeSecretFile(
    path,
    formatClientOptions({
      user: login.user,
      ...(login.password === undefined ? {} : { password: login.password }),
    }),
  );
  return path;
}
