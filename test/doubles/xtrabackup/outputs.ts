import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { strike } from './misbehaviour.ts';
import type { Call } from './prepare.ts';
import { endWith, say } from './say.ts';

/** Writes chunks of one file: to stdout, or to the named pipe that its name was given. */
export type Outputs = {
  write: (path: string, bytes: Buffer) => Promise<void>;
  close: () => void;
};

/** The byte that the tool wakes a pipe's reader with. */
const mark = Buffer.from('F');

const toStdout = (bytes: Buffer): Promise<void> =>
  new Promise((resolve, reject) =>
    process.stdout.write(bytes, (error) => (error ? reject(error) : resolve())),
  );

/**
 * Where the stream goes. With --fifo-streams the tool makes all its pipes, then opens one after the other, each when
 * somebody reads from it and for --fifo-timeout seconds at most; files go to them in turn, each with all its chunks.
 */
export async function openOutputs({ options, plan, files }: Call): Promise<Outputs> {
  const streams = Number(options.get('fifo-streams') ?? 1);
  if (streams === 1) return { write: (_, bytes) => toStdout(bytes), close: () => {} };
  const directory = options.get('fifo-dir') ?? options.get('target-dir') ?? '';
  const paths = Array.from({ length: streams }, (_, n) => join(directory, `thread_${n}`));
  for (const path of paths) {
    if (spawnSync('mkfifo', ['-m', '600', path]).status === 0) continue;
    say(`mkfifo(${path}) failed with error 17`, 'ERROR');
    endWith(1);
  }
  const until = Date.now() + Number(options.get('fifo-timeout') ?? 60) * 1000;
  const misdeed = plan?.do === 'fifo' ? plan : undefined;
  const opened: number[] = [];
  for (const [n, path] of paths.entries()) {
    if (misdeed?.pipe === n && misdeed.how !== 'ends') {
      strike(files, `${misdeed.how} before it opens ${path}`);
      if (misdeed.how === 'dies') process.kill(process.pid, 'SIGKILL');
      await sleep(3_600_000);
    }
    for (;;) {
      try {
        const found = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
        // One that waits for a slow reader, which the tool gets by switching the mode.
        opened.push(openSync(path, constants.O_WRONLY));
        closeSync(found);
        break;
      } catch {
        if (Date.now() > until) {
          say(`failed to initialize datasink: nobody reads ${path}`, 'ERROR');
          endWith(1);
        }
        await sleep(20);
      }
    }
    writeSync(opened[n]!, mark);
  }
  const given = new Map<string, number>();
  let written = 0;
  return {
    write: async (path, bytes) => {
      const n = given.get(path) ?? given.size % streams;
      given.set(path, n);
      written += bytes.length;
      const ends = misdeed?.how === 'ends' && misdeed.pipe === n && written > misdeed.after;
      if (ends && opened[n] !== -1) {
        strike(files, `${paths[n]} ends early`);
        writeSync(opened[n]!, bytes, 0, Math.floor(bytes.length / 2));
        closeSync(opened[n]!);
        opened[n] = -1;
      }
      // What it writes there is lost, and it does not know.
      for (let at = 0; at < bytes.length && opened[n] !== -1; ) at += writeSync(opened[n]!, bytes, at);
    },
    close: () => {
      for (const fd of opened) if (fd !== -1) closeSync(fd);
    },
  };
}
