import { readFileSync } from 'node:fs';

/** An operating-system account; ids as in passwd(5). */
export type Account = { name: string; uid: number; gid: number; home: string };

/** Looks an account up in /etc/passwd; undefined where it is not there. */
export function findAccount(name: string, passwd = readFileSync('/etc/passwd', 'utf8')): Account | undefined {
  for (const line of passwd.split('\n')) {
    const [login, , uid, gid, , home] = line.split(':');
    if (login === name && uid && gid) return { name, uid: Number(uid), gid: Number(gid), home: home ?? '/' };
  }
  return undefined;
}
