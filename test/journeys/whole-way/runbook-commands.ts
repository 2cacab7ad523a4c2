import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { World } from './world.ts';

export type Block = { section: string; commands: string };

/** The blocks of commands in docs/runbook.md that look at something: those that change nothing. */
export function blocksThatLook(): Block[] {
  const runbook = readFileSync(join(import.meta.dirname, '../../../docs/runbook.md'), 'utf8');
  return runbook.split(/^## /m).flatMap((text, i) => {
    const section = i === 0 ? 'the beginning' : text.slice(0, text.indexOf('\n'));
    const look = text.slice(
      0,
      text.includes('**What to do.**') ? text.indexOf('**What to do.**') : undefined,
    );
    return [...look.matchAll(/```sh\n(.*?)```/gs)].map((block) => ({ section, commands: block[1] ?? '' }));
  });
}

/** Runs commands as printed, but for the account, and for what stands in capitals for the reader's own. */
export async function asTyped(
  { target: { emulator }, aws }: Pick<World, 'target' | 'aws'>,
  commands: string,
  own: Readonly<Record<string, string>>,
): Promise<string> {
  const typed = Object.entries(own).reduce(
    (text, [word, value]) => text.replaceAll(new RegExp(`\\b${word}\\b`, 'g'), value),
    commands
      .replaceAll('111111111111', emulator.accountId)
      // Version 1 of the CLI, which PyPI has, takes a payload as it is and knows no option for that.
      .replaceAll(/--cli-binary-format raw-in-base64-out\s/g, '')
      // It asks SQS at a name of its own, unless the endpoint stands in the command itself.
      .replaceAll('aws sqs ', `aws --endpoint-url ${emulator.endpoint} sqs `),
  );
  // Through a pipe, as /dev/stdout cannot be opened where it is a socket, which Node's own pipes are.
  const piped = ['-o', 'pipefail', '-c', '/bin/sh -e -c "$0" | cat', typed];
  const child = spawn('/bin/bash', piped, {
    env: {
      PATH: `${await aws()}:/usr/local/bin:/usr/bin:/bin`,
      HOME: '/nonexistent',
      ...emulator.environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0 || err !== '') throw new Error(`ended with ${code}: ${err}\n${typed}`);
  return out;
}
