import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from './host.ts';

/**
 * SIGKILL to the runner of a job as soon as the store has this request of it, which it never answers. Throws where the
 * request does not come within 30 s.
 */
export async function killAtPut(
  host: Host,
  jobId: string,
  putting: RegExp,
  whole: 'process' | 'group',
): Promise<string> {
  host.s3.seen.length = 0;
  host.s3.fault({ method: 'PUT', times: 1, key: putting, kind: { do: 'stall' } });
  const hasCome = () => host.s3.seen.some(({ key }) => putting.test(key));
  for (let i = 0; i < 3000 && !hasCome(); i++) await sleep(10);
  if (!hasCome()) throw new Error(`no put of ${putting.source} came\n${host.logOf(jobId)}`);
  const file = join(host.root, 'work', `${jobId}.lock`);
  const pid = Number(readFileSync(file, 'utf8').split(' ')[0]);
  process.kill(whole === 'group' ? -pid : pid, 'SIGKILL');
  return `put ${putting.source}`;
}
