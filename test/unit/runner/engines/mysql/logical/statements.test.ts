import { describe, expect, it } from 'vitest';
import { makeStatementReader } from '../../../../../../runner/engines/mysql/logical/statements.ts';

function readIn(text: string, pieceBytes: number) {
  const reader = makeStatementReader();
  const bytes = Buffer.from(text);
  const statements: string[] = [];
  let open = '';
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const piece = bytes.subarray(at, at + pieceBytes);
    let from = 0;
    reader.push(piece, (end) => {
      statements.push((open + piece.toString('latin1', from, end)).trim());
      open = '';
      from = end;
    });
    open += piece.toString('latin1', from);
  }
  return { rows: reader.rows(), complete: reader.complete(), statements };
}

const head = `/*!40101 SET NAMES binary*/;
/*!40014 SET FOREIGN_KEY_CHECKS=0*/;
/*!40103 SET TIME_ZONE='+00:00' */;
`;
const files: [string, string, number, number][] = [
  ['0.10', `${head}INSERT INTO \`t\` (\`a\`,\`b\`) VALUES\n(1,"x"),\n(2,NULL);\n`, 2, 4],
  [
    '1.x',
    `${head}INSERT INTO \`t\` (\`a\`) VALUES(1,_binary "x")\n,(2,NULL)\n;\nINSERT INTO \`t\` (\`a\`) VALUES(3)\n;\n`,
    3,
    5,
  ],
  [
    'what looks like rows in strings',
    `INSERT INTO \`t\` (\`a\`) VALUES\n("),(\\"; VALUES ("),\n("\\\\"),\n("it''s /* ( ; -- ");\n`,
    3,
    1,
  ],
  [
    'functions around values',
    'INSERT INTO `t` (`j`) VALUES\n(CONVERT("{\\"a\\":[(1)]}" USING UTF8MB4)),\n(CONVERT("" USING UTF8MB4));\n',
    2,
    1,
  ],
  ['names with anything in them', 'INSERT INTO `a VALUES (``;"` (`x)``VALUES(`,`y;`) VALUES\n(1,2);\n', 1, 1],
  ['nothing at all', '', 0, 0],
];

describe('rows are counted in the dump itself', () => {
  it.each(files)('of %s', (_, text, rows, statements) => {
    for (let pieceBytes = 1; pieceBytes <= text.length + 1; pieceBytes += pieceBytes < 20 ? 1 : 17) {
      const found = readIn(text, pieceBytes);
      expect([pieceBytes, found.rows, found.complete, found.statements.length]).toEqual([
        pieceBytes,
        rows,
        true,
        statements,
      ]);
    }
  });

  it('and each statement is told with its own bytes', () => {
    const [, text] = files[1]!;
    expect(readIn(text, 3).statements.at(-1)).toBe('INSERT INTO `t` (`a`) VALUES(3)\n;');
  });

  it('and a file that was cut is not complete, wherever it was cut', () => {
    const [, text] = files[0]!;
    const from = text.indexOf('INSERT');
    for (let at = from + 1; at < text.length - 1; at++) {
      expect([at, readIn(text.slice(0, at), 1 << 20).complete]).toEqual([at, false]);
    }
  });

  it('over random bytes in strings, as the server escapes them', () => {
    let seed = 7;
    const random = () => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return seed;
    };
    const asWritten = (bytes: number[]) =>
      bytes
        .map((byte) => {
          const letter = String.fromCharCode(byte);
          return [0, 10, 13, 26, 34, 39, 92].includes(byte) ? `\\${letter}` : letter;
        })
        .join('');
    const rows = Array.from({ length: 300 }, () => {
      const value = Array.from(
        { length: random() % 12 },
        () => [0x22, 0x27, 0x5c, 0x28, 0x29, 0x3b, 0x2c, 0x60, random() % 128][random() % 9]!,
      );
      return `("${asWritten(value)}",NULL)`;
    });
    expect(readIn(`INSERT INTO \`t\` VALUES\n${rows.join(',\n')};\n`, 13)).toMatchObject({
      rows: 300,
      complete: true,
    });
  });
});
