import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatSchemas } from '../contract/formats/schemas.ts';

const document = readFileSync(join(import.meta.dirname, '../../../docs/formats.md'), 'utf8');
const blocks = [...document.matchAll(/^```jsonc (\S+)\n([\s\S]*?)^```$/gm)].map((m) => ({
  name: m[1]!,
  text: m[2]!,
}));

/** JSON with `//` comments outside of strings, without them. */
const withoutComments = (text: string) =>
  text.replace(/("(?:[^"\\]|\\.)*")|\/\/[^\n]*/g, (_, quoted: string | undefined) => quoted ?? '');

/** The values of an example: one, or one per line for the index. */
const valuesOf = ({ name, text }: { name: string; text: string }): unknown[] =>
  name === 'index'
    ? withoutComments(text)
        .split('\n')
        .filter((line) => line.trim() !== '')
        .map((line) => JSON.parse(line))
    : [JSON.parse(withoutComments(text))];

describe('docs/formats.md', () => {
  it('shows an example of every format and record, and of nothing else', () => {
    expect([...new Set(blocks.map((b) => b.name))].sort()).toEqual(Object.keys(formatSchemas).sort());
  });

  it.each(blocks)('the example of $name is taken by its schema', (block) => {
    for (const value of valuesOf(block)) {
      const read = formatSchemas[block.name]!.safeParse(value);
      expect(read.error?.issues ?? []).toEqual([]);
      expect(read.data).toMatchObject(value as object);
    }
  });

  it('leaves no code block unread', () => {
    expect(document.match(/^```/gm)).toHaveLength(2 * blocks.length);
  });
});
