import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import type { RestoreOrder } from '../../../contract/records/job.ts';
import type { EngineContext, StoredBackup } from '../../../runner/engines/engine.ts';
import { unpack } from '../../../runner/engines/mysql/restore/unpack.ts';
import { chunkOf, fileOf, smallMariadbStream } from '../../doubles/xbstream-writer.ts';
import { faultTest } from '../fault-test.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'holdfast-hostile-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Unpacks a stream whose manifest says so many files and 1 MB; `taken`: all of it was asked for. */
async function bring(stream: Buffer, files: number): Promise<{ error: Error | undefined; taken: boolean }> {
  let taken = false;
  const order = {
    clusterId: 'shop',
    backupId: 'b-1',
    target: { hostId: 'mi-0abc', directory: join(root, 'target'), port: 3310, user: 'nobody' },
  } as RestoreOrder;
  const stored = {
    manifest: { flavour: 'mariadb', tool: { exitCode: 0 }, metrics: { files }, restore: { bytes: 1e6 } },
    streams: [{ bytes: stream.length }],
    read: async function* () {
      yield stream;
      taken = true;
    },
    done: () => {},
  } as unknown as StoredBackup;
  const context = { signal: new AbortController().signal, progress: () => {} } as unknown as EngineContext;
  const error = await unpack(order, stored, context).then(
    () => undefined,
    (thrown: Error) => thrown,
  );
  return { error, taken };
}

const outside: readonly [string, Buffer][] = [
  ['..', fileOf('../evil', 'x')],
  ['a root', fileOf('/evil', 'x')],
  ['a step up within', fileOf('shop/../../evil', 'x')],
  ['NUL', fileOf('evil\0.ibd', 'x')],
  ['a name longer than any', fileOf(`shop/${'e'.repeat(600)}.ibd`, 'x')],
  ['a rename out', Buffer.concat([fileOf('shop/a.frm', 'x'), chunkOf.rename('shop/a.frm', '../evil')])],
  ['an option file of the server', fileOf('my.cnf', '[mariadbd]\ninit-file=/evil\n')],
];
for (const [what, evil] of outside) {
  faultTest(
    ['F70'],
    `a stream with ${what} in a path is refused as a whole, and nothing stands outside or inside`,
    async ({ hit, endState }) => {
      const { error, taken } = await bring(Buffer.concat([smallMariadbStream(), evil]), 15);
      // The writer has taken all of it, or has ended at the evil part.
      if (taken || /broken at byte/.test(error?.message ?? '')) hit('F70');
      await endState(() => {
        expect(error).toMatchObject({ name: 'Restore.StreamDamaged' });
        expect(readdirSync(join(root, 'target'))).toEqual([]);
        for (const place of ['/evil', join(root, 'evil'), join(root, 'target/evil')])
          expect(existsSync(place)).toBe(false);
      });
    },
  );
}

faultTest(
  ['F71'],
  'a stream that claims more than its manifest is ended before it takes disk or memory',
  async ({ hit, endState }) => {
    const bombs: [string, Buffer][] = [
      ['a hole of a terabyte', chunkOf.payload('shop/hole.ibd', 'x', 2 ** 40)],
      ['a chunk of 4 GiB', hugeChunk()],
      ['a file beyond all that is due', chunkOf.payload('shop/more.ibd', Buffer.alloc(64 * 1024 * 1024))],
    ];
    const found: { name: string; error: Error | undefined; left: string[] }[] = [];
    const memory = process.memoryUsage().rss;
    for (const [name, bomb] of bombs) {
      const { error } = await bring(Buffer.concat([smallMariadbStream(), bomb]), 15);
      if (/more bytes than|a chunk of more than|within a chunk|length/.test(error?.message ?? '')) hit('F71');
      found.push({ name, error, left: readdirSync(join(root, 'target')) });
    }
    await endState(() => {
      for (const { name, error, left } of found) {
        expect(error, name).toMatchObject({ name: 'Restore.StreamDamaged' });
        expect(left, name).toEqual([]);
      }
      expect(process.memoryUsage().rss - memory).toBeLessThan(512 * 1024 * 1024);
    });
  },
);

/** A chunk whose header says 4 GiB, with the few bytes that a thief needs to send. */
function hugeChunk(): Buffer {
  const chunk = chunkOf.payload('shop/huge.ibd', 'x');
  chunk.writeBigUInt64LE(4n * 1024n ** 3n, 14 + 'shop/huge.ibd'.length);
  return chunk;
}
