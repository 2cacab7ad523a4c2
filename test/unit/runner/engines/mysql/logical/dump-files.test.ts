import { describe, expect, it } from 'vitest';
import { makeFileNames, namesRefused } from '../../../../../../runner/engines/mysql/logical/dump-files.ts';

const t = (schema: string, table: string) => ({ schema, table });

describe('a file of a dump', () => {
  const kindOf = makeFileNames([t('shop', 'orders'), t('a.b', 'c'), t('shop', 'x.y')], ['shop', 'a.b']);

  it.each([
    ['shop.orders.sql', { kind: 'rows', ...t('shop', 'orders') }],
    ['shop.orders.00002.sql', { kind: 'rows', ...t('shop', 'orders') }],
    ['shop.orders.00000.00003.sql', { kind: 'rows', ...t('shop', 'orders') }],
    ['a.b.c.sql', { kind: 'rows', ...t('a.b', 'c') }],
    ['shop.x.y.00001.sql', { kind: 'rows', ...t('shop', 'x.y') }],
    ['shop.orders-schema.sql', { kind: 'definition', ...t('shop', 'orders') }],
    ['shop-schema-post.sql', { kind: 'schema', schema: 'shop' }],
    ['metadata', { kind: 'metadata' }],
    ['shop.other.sql', undefined],
    ['orders.sql', undefined],
  ])('%s is told by the tables that are there', (file, kind) => {
    expect(kindOf(file)).toEqual(kind);
  });
});

describe('M09 names that mydumper cannot dump apart are refused', () => {
  it.each([
    [[t('a', 'b.c'), t('a.b', 'c')], ['a', 'a.b'], 'into one file, a.b.c'],
    [[t('s', 't'), t('s', 't-schema')], ['s'], 'into one file, s.t-schema'],
    [[t('s', 't'), t('s', 'T')], ['s'], 'into one file'],
    [[t('s', 't.00001')], ['s'], 'ends like a piece'],
    [[t('s', 'a/b')], ['s'], 'has a "/"'],
    [[t('s', 'a`b')], ['s'], 'has a "`"'],
    [[t('s', "it's")], ['s'], `has a "'"`],
    [[t('s', '表'.repeat(64)), t('s'.repeat(64), '表'.repeat(60))], ['s'], 'too long'],
  ])('%j', (tables, schemas, reason) => {
    expect(namesRefused(tables, schemas, '0.10').join('; ')).toContain(reason);
  });

  it('and taken are the others, of 0.10 more than of 1.x', () => {
    const odd = [t('shop', 'ünï 表'), t('odd ?b', 't?"x')];
    expect(namesRefused(odd, ['shop', 'odd ?b'], '0.10')).toEqual([]);
    expect(namesRefused(odd, ['shop', 'odd ?b'], '1.x')).toHaveLength(3);
    expect(namesRefused([t('shop', 'order lines_2-b')], ['shop'], '1.x')).toEqual([]);
  });
});
