import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { afterAll, expect, it } from 'vitest';
import { parseMysqlGtid } from '../../../../../../contract/positions/mysql-gtid.ts';
import { firstLacking } from '../../../../../../runner/engines/mysql/replay/first-lacking.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-lacking-'));
const path = join(directory, 'binlog.000002');
const fixture = '../../../../../fixtures/binlog/binlog-9.7-tags.000002.zst';
writeFileSync(path, zstdDecompressSync(readFileSync(join(import.meta.dirname, fixture))));
afterAll(() => rmSync(directory, { recursive: true }));

const one = 'd7b58969-e924-11f1-a9eb-02fc00000001';

// In the file: 3, nightly:1, nightly:2, a_longer…:1, 4.
it.each([
  ['', 198],
  [`${one}:1-2`, 198],
  [`${one}:1-3`, 471],
  [`${one}:1-3:nightly:1`, 749],
  // A hole is where it begins, whatever it has of what comes later.
  [`${one}:1-4:nightly:1-2`, 1027],
  [`${one}:1-4:a_longer_tag_of_many_characters1:1:nightly:1-2`, undefined],
])('what %s lacks of a log begins at %s', async (has, offset) => {
  expect(await firstLacking(path, parseMysqlGtid(has))).toBe(offset);
});
