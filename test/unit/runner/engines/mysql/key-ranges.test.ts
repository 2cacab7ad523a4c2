import { describe, expect, it } from 'vitest';
import { between, type KeyPart, keyColumns } from '../../../../../runner/engines/mysql/tables/key-ranges.ts';

const part = (changes: Partial<KeyPart> = {}): KeyPart => ({
  name: 'id',
  type: 'int',
  charset: null,
  prefix: false,
  descending: false,
  ...changes,
});

describe('ranges of a primary key', () => {
  it('meet at points that belong to the one after', () => {
    const key = keyColumns([part()])!;
    expect(between(key, undefined, ['7'])).toBe('`id` < 7');
    expect(between(key, ['7'], ['-1.5'])).toBe('`id` >= 7 AND `id` < -1.5');
    expect(between(key, ['7'], undefined)).toBe('`id` >= 7');
    expect(between(key, undefined, undefined)).toBe('1');
  });

  it('of several columns compare each where those before it are equal', () => {
    const key = keyColumns([part({ name: 'a' }), part({ name: 'b' }), part({ name: 'c`' })])!;
    expect(between(key, ['1', '2', '3'], undefined)).toBe(
      '(`a` > 1 OR (`a` = 1 AND (`b` > 2 OR (`b` = 2 AND `c``` >= 3))))',
    );
    expect(between(key.slice(0, 2), undefined, ['1', '2'])).toBe('(`a` < 1 OR (`a` = 1 AND `b` < 2))');
  });

  it('write values so that the same ones come to be compared, whatever is in them', () => {
    const key = keyColumns([
      part({ name: 's', type: 'varchar', charset: 'latin1' }),
      part({ name: 'd', type: 'datetime' }),
      part({ name: 'b', type: 'binary' }),
    ])!;
    expect(key.map(({ select }) => select)).toEqual(['HEX(`s`)', '`d`', 'HEX(`b`)']);
    expect(between(key.slice(0, 1), ['27E4'], undefined)).toBe("`s` >= _latin1 x'27E4'");
    expect(between(key.slice(1, 2), ['2026-01-02 03:04:05.678'], undefined)).toBe(
      "`d` >= '2026-01-02 03:04:05.678'",
    );
    expect(between(key.slice(2), [''], undefined)).toBe("`b` >= x''");
    for (const column of key) expect(() => column.literal("x' OR 1=1 -- ")).toThrow('is no value of');
  });

  it('are not made where they would not be exact, or where the index is not in their order', () => {
    expect(keyColumns([])).toBeUndefined();
    for (const type of ['float', 'double', 'enum', 'set', 'bit', 'vector']) {
      expect(keyColumns([part(), part({ type })])).toBeUndefined();
    }
    expect(keyColumns([part({ prefix: true })])).toBeUndefined();
    expect(keyColumns([part(), part({ descending: true })])).toBeUndefined();
    expect(keyColumns([part({ type: 'char', charset: null })])).toBeUndefined();
  });
});
