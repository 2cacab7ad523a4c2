import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import {
  canonicalJson,
  decodeManifest,
  decodeReceipt,
  encodeManifest,
  encodeReceipt,
} from '../../../../contract/formats/codec.ts';

const kept = (name: string) =>
  JSON.parse(readFileSync(join(import.meta.dirname, '../../../fixtures/formats/v1', name), 'utf8'));

/** What decoding says of it; fails when nothing is thrown. */
function refusal(decode: () => unknown): NamedError {
  try {
    decode();
  } catch (thrown) {
    if (thrown instanceof NamedError) return thrown;
    throw thrown;
  }
  throw new Error('was not refused');
}

describe('manifest and receipt', () => {
  it('are canonical: the same value gives the same bytes, in whatever order its fields come', () => {
    const manifest = kept('manifest.json');
    const backwards = Object.fromEntries(Object.entries(manifest).reverse());
    expect(encodeManifest(backwards as never)).toBe(encodeManifest(manifest));
    expect(canonicalJson({ b: [{ d: 1, c: 2 }], a: null })).toBe(
      '{\n  "a": null,\n  "b": [\n    {\n      "c": 2,\n      "d": 1\n    }\n  ]\n}\n',
    );
  });

  it('survive writing and reading', () => {
    const manifest = decodeManifest(JSON.stringify(kept('manifest.json')));
    expect(decodeManifest(encodeManifest(manifest))).toEqual(manifest);
    const receipt = decodeReceipt(JSON.stringify(kept('receipt.json')));
    expect(decodeReceipt(Buffer.from(encodeReceipt(receipt)))).toEqual(receipt);
  });

  it('a field that a newer writer added is ignored, at any depth and also in what operators may not mistype', () => {
    const manifest = kept('manifest.json');
    const policy = { ...manifest.policy, throttle: 3 };
    policy.schedule = { ...policy.schedule, jitter: 1 };
    const grown = { ...manifest, weather: 'fine', policy, plan: { ...manifest.plan, later: true } };
    expect(decodeManifest(JSON.stringify(grown))).toEqual(decodeManifest(JSON.stringify(manifest)));
  });

  it('a newer version is refused by name, not half read', () => {
    const error = refusal(() => decodeManifest(JSON.stringify({ ...kept('manifest.json'), v: 2 })));
    expect(error.name).toBe('Format.Newer');
    expect(error.message).toContain('version 2; this version reads up to 1');
    expect(refusal(() => decodeReceipt(JSON.stringify({ v: 7 }))).name).toBe('Format.Newer');
  });

  it('what is wrong is named with its path', () => {
    const manifest = kept('manifest.json');
    manifest.streams[0].volumes = 'many';
    const error = refusal(() => decodeManifest(JSON.stringify(manifest)));
    expect(error.name).toBe('Input.Invalid');
    expect(error.message).toContain('streams.0.volumes');
    expect(error.facts.field).toBe('streams.0.volumes');
  });

  it('a manifest over a tool that failed is neither written nor read (F01)', () => {
    const manifest = kept('manifest.json');
    manifest.tool.exitCode = 1;
    expect(refusal(() => encodeManifest(manifest)).message).toContain('tool.exitCode');
    expect(refusal(() => decodeManifest(JSON.stringify(manifest))).name).toBe('Input.Invalid');
  });

  it.each(['', '{', 'null', '[]', '"manifest"', '{"v":"1"}'])('%j is refused with Input.Invalid', (text) => {
    expect(refusal(() => decodeManifest(text)).name).toBe('Input.Invalid');
  });

  it('bytes that are not UTF-8 are refused with Input.Invalid', () => {
    expect(refusal(() => decodeReceipt(new Uint8Array([0x22, 0xff, 0x22]))).name).toBe('Input.Invalid');
  });
});
