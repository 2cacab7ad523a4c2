import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { NamedError } from '../../../contract/errors/named-error.ts';
import type { BackupOrder } from '../../../contract/records/job.ts';
import { type KeyPlace, keyBytes, keyPlace, type ToolKey } from '../../../contract/records/tool-key.ts';
import { writeSecretFile } from '../../host/files.ts';
import type { EngineContext } from '../engine.ts';

type KeyContext = Pick<EngineContext, 'readSecret' | 'hide'>;

/** A key, or the sentence that says why there is none. */
export type FoundKey = { key: Buffer } | { why: string };

const checkOf = (key: Buffer) =>
  createHash('sha256').update('holdfast key\0').update(key).digest('hex').slice(0, 8);

/** Reads the key of this host and looks at it as the tool will: all bytes count, also a line break at the end. */
export async function findKey(
  place: KeyPlace & Partial<Pick<ToolKey, 'check'>>,
  hostId: string,
  context: KeyContext,
): Promise<FoundKey> {
  const { kind, name, algorithm, check } = place;
  const secret = `holdfast/${hostId}/${name}`;
  const where = kind === 'file' ? name : `the secret ${secret}`;
  let key: Buffer;
  try {
    key = kind === 'file' ? await readFile(name) : Buffer.from(await context.readSecret(secret));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { why: code === 'ENOENT' ? `${where} is not there` : `${where} cannot be read: ${message}` };
  }
  context.hide?.(key.toString('utf8'));
  const bytes = keyBytes[algorithm];
  if (key.length !== bytes) {
    const ends = key.at(-1) === 0x0a ? ', the last of them a line break, which would be part of the key' : '';
    return { why: `${where} has ${key.length} bytes${ends}; a key of ${algorithm} has ${bytes}` };
  }
  if (check !== undefined && checkOf(key) !== check) {
    return { why: `${where} is another key than the one that the backup was encrypted with` };
  }
  return { key };
}

/** Writes the key that this policy has XtraBackup encrypt with to `path`, for this job alone, and says which it is. */
export async function placeKey(
  { policy, member }: Pick<BackupOrder, 'policy' | 'member'>,
  path: string,
  context: KeyContext,
): Promise<ToolKey | undefined> {
  const { encrypt } = policy.xtrabackup ?? {};
  if (encrypt === undefined) return undefined;
  const place = keyPlace(encrypt);
  const found = await findKey(place, member.hostId, context);
  if ('why' in found) throw new NamedError('Member.Ineligible', `xtrabackup.encrypt: ${found.why}`);
  writeSecretFile(path, found.key);
  return { ...place, check: checkOf(found.key) };
}

/** Of these keys what this host has not, or not as they were: one sentence each. */
export async function missingKeys(
  keys: readonly ToolKey[],
  hostId: string,
  context: KeyContext,
): Promise<string[]> {
  const found = await Promise.all(keys.map((key) => findKey(key, hostId, context)));
  return found.flatMap((of) => ('why' in of ? [of.why.slice(0, 500)] : []));
}
