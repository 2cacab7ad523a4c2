import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { localHostIds } from '../../../infra/local/local-hosts.ts';
import { asTyped } from './runbook-commands.ts';
import type { World } from './world.ts';

/** The block of docs/restore.md that follows a sentence, or a heading, that begins so. */
function printed(sentence: string): string {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/restore.md'), 'utf8');
  const from = page.indexOf(`\n${sentence}`);
  const block = from < 0 ? null : /```sh\n(.*?)```/s.exec(page.slice(from));
  if (!block?.[1]) throw new Error(`docs/restore.md has no command after "${sentence}"`);
  return block[1];
}

/** What the reader has in place of what stands in the page. */
export type Own = {
  hostId?: string;
  directory?: string;
  port?: number;
  backupId?: string | undefined;
  time?: string;
  gtid?: string;
};

/** Types a command of docs/restore.md as it is printed, with the reader's own host, directory, port and point. */
const typed = (world: World, sentence: string, own: Own): Promise<string> =>
  asTyped(world, printed(sentence), {
    '(?<=/)data/(?:restored|scratch)': (own.directory ?? '/var/tmp/never').slice(1),
    '3307': String(own.port ?? 20_999),
    'i-[0-9a-f]{17}': own.hostId ?? localHostIds.empty,
    '(?<="backupId": ")latest': own.backupId ?? 'latest',
    '2026-11-25T14:03:00Z': own.time ?? 'no time',
    '0-101-5120': own.gtid ?? 'no gtid',
  });

/** Starts what is typed; answers the execution's ARN. */
export async function startTyped(world: World, sentence: string, own: Own): Promise<string> {
  const { executionArn } = JSON.parse(await typed(world, sentence, own)) as { executionArn: string };
  return executionArn;
}

/** What a function answers to what is typed; the CLI's own word stands behind it. */
export async function askTyped<T>(world: World, sentence: string, own: Own = {}): Promise<T> {
  const said = await typed(world, sentence, own);
  return JSON.parse(said.slice(0, said.lastIndexOf('{'))) as T;
}
