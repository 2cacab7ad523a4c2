import { describe, expect, it } from 'vitest';
import { makeTablespaceNumber } from '../../../../../../runner/engines/mysql/xbstream/tablespace-number.ts';

const numberIn = (path: string, pieces: Buffer[], offset = 0) => {
  const number = makeTablespaceNumber();
  if (!number.begin(path, offset)) return 'not asked';
  for (const piece of pieces) number.add(piece);
  return number.found();
};

describe('the number of a tablespace', () => {
  const page = Buffer.alloc(16_384);
  page.writeUInt32BE(4711, 34);
  const note = Buffer.from('page_size = 16384\nzip_size = 0\nspace_id = 4711\nspace_flags = 21\n');

  it('is found in its first page, however it comes', () => {
    expect(numberIn('shop/orders.ibd', [page])).toBe(4711);
    expect(
      numberIn('shop/orders.new', [page.subarray(0, 35), page.subarray(35, 37), page.subarray(37)]),
    ).toBe(4711);
  });

  it('is found in the note beside its changed pages', () => {
    expect(numberIn('shop/orders.ibd.meta', [note.subarray(0, 40), note.subarray(40)])).toBe(4711);
  });

  it('is not told by a piece that is too short, by a later one, by packed files and by others', () => {
    expect(numberIn('shop/orders.ibd', [page.subarray(0, 37)])).toBeUndefined();
    expect(numberIn('shop/orders.ibd.meta', [Buffer.from('page_size = 16384\n')])).toBeUndefined();
    expect(numberIn('shop/orders.ibd', [page], 10_485_760)).toBe('not asked');
    for (const path of ['shop/orders.ibd.zst', 'shop/orders.ibd.delta', 'shop/orders.frm', 'ibdata1']) {
      expect(numberIn(path, [page])).toBe('not asked');
    }
  });
});
