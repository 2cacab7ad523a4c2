import { appendFileSync, copyFileSync, existsSync, readFileSync, watch } from 'node:fs';
import { basename, join } from 'node:path';
import type { Manifest } from '../../../../contract/formats/manifest.ts';
import type { MysqlPosition } from '../../../../contract/positions/position.ts';
import type { RestoreOrder } from '../../../../contract/records/job.ts';
import { makeMysqlEngine } from '../../../../runner/engines/mysql/engine.ts';
import { contextIn, storedOf } from '../../../journeys/support/mysql-jobs.ts';

/** Where in its restore the process kills itself: after a part of the stream, or at this word of its progress. */
export type Death =
  | { after: number }
  | { saying: string }
  | { applying: true }
  | { replaying: true }
  | { placing: true };
export type RestoreInput = {
  order: RestoreOrder;
  manifest: Manifest;
  /** File with the stream's bytes. */
  stream: string;
  /** An incremental that is applied to it, with the file of its stream. */
  increment?: { manifest: Manifest; stream: string };
  /** Stored segments of a log that is replayed, oldest first. */
  log?: { segments: string[]; from: MysqlPosition; until: MysqlPosition };
  directory: string;
  strikes: string;
  death: Death;
};

/** A restore in a process of its own, which is killed by SIGKILL where its input says; it reports right before. */
const input = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as RestoreInput;
const { order, manifest, death } = input;
const die = (where: string): void => {
  appendFileSync(input.strikes, `killed ${where}\n`);
  process.kill(process.pid, 'SIGKILL');
};

const stored = storedOf({ manifest, bytes: readFileSync(input.stream) });
const dying = {
  ...stored,
  read: async function* (stream: string) {
    let done = 0;
    for await (const bytes of stored.read(stream)) {
      yield bytes;
      done += bytes.length;
      if ('after' in death && done >= death.after) die(`after ${done} bytes`);
    }
  },
};
let applying = false;
let looks = 0;
const context = contextIn(input.directory, {
  progress: (phase) => {
    if (applying && phase.startsWith('preparing')) die('while an incremental is applied');
    // The first time before its servers run, then at each look at the applier.
    if ('replaying' in death && phase === 'replaying' && ++looks === 2) die('while the log is replayed');
    if ('saying' in death && phase.startsWith(death.saying)) die(`while ${phase}`);
  },
});
const engine = makeMysqlEngine({ stateDirectory: join(input.directory, 'state') });
await engine.restore.unpack(order, dying, context);
await engine.restore.prepare(order, manifest, context);
if (input.increment !== undefined) {
  const { manifest: of, stream } = input.increment;
  applying = 'applying' in death;
  await engine.restore.apply?.(order, storedOf({ manifest: of, bytes: readFileSync(stream) }), context);
}
if ('placing' in death) {
  const { directory } = order.target;
  watch(directory, () => {
    if (existsSync(join(directory, 'ibdata1')) && !existsSync(join(directory, 'mysql'))) die('while placing');
  });
}
const { log } = input;
await engine.restore.start(
  order,
  manifest,
  context,
  log && {
    ...log,
    fetch: async (directory) =>
      log.segments.map((path) => {
        copyFileSync(path, join(directory, basename(path)));
        return join(directory, basename(path));
      }),
  },
);
