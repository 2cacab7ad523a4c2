import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { formatClientOptions, parseClientOptions } from '../../../runner/engines/mysql/option-file.ts';

const text = fc.string({ unit: 'binary', maxLength: 60 }).filter((value) => !value.includes('\0'));
/** What people and generators put into passwords, and what readers of option files stumble over. */
const nasty = fc
  .array(
    fc.constantFrom('\\', '"', "'", '#', ';', ' ', '\n', '\r', '\t', '\b', '$', '=', '[', ']', 'n', 's', 'é'),
    { maxLength: 20 },
  )
  .map((parts) => parts.join(''));

describe('an option file', () => {
  const directory = mkdtempSync(join(tmpdir(), 'option-file-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('F76 reads back every user and password that was written', () => {
    fc.assert(
      fc.property(fc.oneof(text, nasty), fc.oneof(text, nasty), (user, password) => {
        expect(parseClientOptions(formatClientOptions({ user, password }))).toEqual({ user, password });
      }),
      { numRuns: 2000 },
    );
  });

  it('F76 means the same to the programs of MariaDB', () => {
    const file = join(directory, 'client.cnf');
    fc.assert(
      fc.property(fc.oneof(nasty, text), (password) => {
        writeFileSync(file, formatClientOptions({ password }));
        const printed = execFileSync('my_print_defaults', [`--defaults-file=${file}`, 'client']);
        expect(printed.toString('utf8')).toBe(`--password=${password}\n`);
      }),
      { numRuns: 150 },
    );
  });
});
