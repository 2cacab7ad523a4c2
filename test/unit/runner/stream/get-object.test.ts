import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type S3Server, startS3Server } from '../../../doubles/s3-server.ts';
import { noise, storeAt, withCrc } from './at-double.ts';

const key = 'c1/backups/b1/volumes/main/000000';
const body = noise(3 * 1024 * 1024);
const get = { method: 'GET' as const, times: 1 };

describe('the ranged get', () => {
  let s3: S3Server;
  let store: ReturnType<typeof storeAt>;
  let version: string;
  beforeEach(async () => {
    s3 = await startS3Server();
    store = storeAt(s3, { patience: { stallMs: 500 } });
    version = (await store.putObject(withCrc(key, body))).versionId!;
  });
  afterEach(async () => {
    await store.close();
    await s3.stop();
  });
  const fetchRange = async (from: number, bytes: number) => {
    const into = Buffer.alloc(bytes);
    await store.getObject({ key, versionId: version, from, into });
    return into;
  };

  it('fills the buffer with the bytes of that version', async () => {
    expect((await fetchRange(1000, 2_000_000)).equals(body.subarray(1000, 2_001_000))).toBe(true);
    await expect(
      store.getObject({ key, versionId: 'another', from: 0, into: Buffer.alloc(10) }),
    ).rejects.toMatchObject({ name: 'Restore.StreamDamaged', message: expect.stringContaining(key) });
  });

  it('F24: goes on where the connection broke', async () => {
    s3.fault({ ...get, times: 2, kind: { do: 'reset-mid-body', after: 700_000 } });
    expect((await fetchRange(5, 3_000_000)).equals(body.subarray(5, 3_000_005))).toBe(true);
    const ranges = s3.seen.filter((r) => r.method === 'GET').map((r) => r.headers.range);
    expect(ranges).toHaveLength(3);
    expect(ranges[0]).toBe('bytes=5-3000004');
    expect(Number(/bytes=(\d+)-/.exec(ranges[2]!)![1])).toBeGreaterThan(5);
  });

  it('takes its part of the whole object from a store that ignores ranges', async () => {
    s3.fault({ ...get, kind: { do: 'ignore-range' } });
    expect((await fetchRange(1_234_567, 1_000_000)).equals(body.subarray(1_234_567, 2_234_567))).toBe(true);
    expect(s3.seen.at(-1)!.status).toBe(200);
  });

  it('F23: asks again after 503 and after a stall', async () => {
    s3.fault({ ...get, kind: { do: 'answer', status: 503, code: 'SlowDown' } });
    s3.fault({ ...get, kind: { do: 'stall' } });
    expect((await fetchRange(0, 100)).equals(body.subarray(0, 100))).toBe(true);
  });

  it('F29: renews an expired token', async () => {
    s3.fault({ ...get, kind: { do: 'answer', status: 400, code: 'ExpiredToken' } });
    expect((await fetchRange(0, 100)).equals(body.subarray(0, 100))).toBe(true);
  });

  it('F30: a denied read is Store.Denied at once', async () => {
    s3.fault({ ...get, kind: { do: 'answer', status: 403, code: 'AccessDenied' } });
    await expect(fetchRange(0, 100)).rejects.toMatchObject({ name: 'Store.Denied' });
  });

  it('a range that the object does not have is damage, not a reason to wait', async () => {
    await expect(fetchRange(body.length + 1, 10)).rejects.toMatchObject({ name: 'Restore.StreamDamaged' });
  });

  it('reads a small object whole, and refuses one that is larger than it may be', async () => {
    s3.fault({ ...get, kind: { do: 'reset-mid-body', after: 1000 } });
    const whole = await store.getSmallObject({ key, most: body.length });
    expect(whole.equals(body)).toBe(true);
    await expect(store.getSmallObject({ key, most: body.length - 1 })).rejects.toMatchObject({
      name: 'Restore.StreamDamaged',
    });
  });
});
