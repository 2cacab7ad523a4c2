import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeManifest, decodeReceipt, readStored } from '../../../../contract/formats/codec.ts';
import { formatSchemas } from './schemas.ts';

const kept = join(import.meta.dirname, '../../../fixtures/formats');
const versions = readdirSync(kept).filter((name) => /^v\d+$/.test(name));

/** The values of a kept file: one of `.json`, one per line of `.jsonl`. */
function valuesOf(version: string, file: string): unknown[] {
  const text = readFileSync(join(kept, version, file), 'utf8');
  return file.endsWith('.jsonl')
    ? text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
    : [JSON.parse(text)];
}

/** Object keys of a value as `a.b.0.c`. */
function leaves(value: unknown, path = ''): string[] {
  if (value === null || typeof value !== 'object') return [path];
  return Object.entries(value).flatMap(([k, v]) => leaves(v, `${path}.${k}`));
}

describe.each(versions)('formats of %s', (version) => {
  const files = readdirSync(join(kept, version));

  it('are all kept', () => {
    expect(files.map((f) => f.replace(/\.jsonl?$/, '')).sort()).toEqual(Object.keys(formatSchemas).sort());
  });

  it.each(files)('%s is read, and nothing of it is lost', (file) => {
    const name = file.replace(/\.jsonl?$/, '');
    for (const value of valuesOf(version, file)) {
      const read = readStored(formatSchemas[name]!, name, value);
      expect(leaves(read)).toEqual(expect.arrayContaining(leaves(value)));
    }
  });

  it('manifest and receipt are read by their decoders (F57)', () => {
    const text = (name: string) => readFileSync(join(kept, version, name));
    expect(decodeManifest(text('manifest.json')).clusterId).toBe('orders');
    expect(decodeReceipt(text('receipt.json')).fact).toBe('verified');
  });
});
