import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type S3Server, startS3Server } from '../../../doubles/s3-server.ts';
import { noise, storeAt, withCrc } from './at-double.ts';

const body = noise(3 * 1024 * 1024);
const volume = () => withCrc('c1/backups/b1/volumes/main/000000', body);
const put = { method: 'PUT' as const, times: 1 };

describe('the put of a write-once object', () => {
  let s3: S3Server;
  let store: ReturnType<typeof storeAt>;
  const open = (more: Parameters<typeof storeAt>[1] = {}) => {
    store = storeAt(s3, more);
    return store.putObject;
  };
  beforeEach(async () => {
    s3 = await startS3Server();
  });
  afterEach(async () => {
    await store.close();
    await s3.stop();
  });
  const stored = () => s3.objects.get(volume().key)?.bytes;
  const statuses = () => s3.seen.map((request) => request.status);

  it('is one conditional PutObject with its length, its CRC32 and a signature over both', async () => {
    const { versionId } = await open()(volume());
    expect(stored()?.equals(body)).toBe(true);
    expect(versionId).toBe(s3.objects.get(volume().key)?.version);
    const [request] = s3.seen;
    expect(s3.seen).toHaveLength(1);
    expect(request!.headers).toMatchObject({
      'content-length': String(body.length),
      'if-none-match': '*',
      'x-amz-checksum-crc32': s3.objects.get(volume().key)!.crc,
      'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
      'x-amz-security-token': 'token',
    });
    expect(request!.headers['transfer-encoding']).toBeUndefined();
    expect(request!.headers.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-west-1\/s3\/aws4_request, SignedHeaders=.*if-none-match.*x-amz-checksum-crc32/,
    );
  });

  it.each([
    [503, 'SlowDown'],
    [500, 'InternalError'],
    [502, 'BadGateway'],
    [504, 'GatewayTimeout'],
    [409, 'ConditionalRequestConflict'],
    [400, 'RequestTimeout'],
  ])('F23 F31: %i %s is answered by the same bytes again', async (status, code) => {
    s3.fault({ ...put, times: 3, kind: { do: 'answer', status, code } });
    await open()(volume());
    expect(stored()?.equals(body)).toBe(true);
    expect(statuses()).toEqual([status, status, status, 200]);
    expect(store.lines[0]).toContain(code);
  });

  it('F24: a connection reset in the middle of the body is begun again with the same bytes', async () => {
    s3.fault({ ...put, kind: { do: 'reset-mid-body', after: 500_000 } });
    await open()(volume());
    expect(stored()?.equals(body)).toBe(true);
    expect(s3.seen).toHaveLength(2);
  });

  it('F24: a server that stops answering is given up after the stall time and asked again', async () => {
    s3.fault({ ...put, kind: { do: 'stall' } });
    await open({ patience: { stallMs: 200 } })(volume());
    expect(stored()?.equals(body)).toBe(true);
    expect(store.lines[0]).toContain('StallError');
  });

  it('F31: "exists already" after an answer that was lost is success, without a version id', async () => {
    s3.fault({ ...put, kind: { do: 'lose-answer' } });
    await expect(open()(volume())).resolves.toEqual({ versionId: null });
    expect(statuses()).toEqual([0, 412]);
  });

  it('F31: a key that somebody else wrote is Store.Conflict at once', async () => {
    s3.objects.set(volume().key, { bytes: Buffer.from('theirs'), crc: '', version: 'v' });
    await expect(open()(volume())).rejects.toMatchObject({
      name: 'Store.Conflict',
      message: expect.stringContaining(volume().key),
    });
    expect(stored()?.toString()).toBe('theirs');
    expect(s3.seen).toHaveLength(1);
  });

  it('F31: a body that never went out in full does not make "exists already" a success', async () => {
    // So large that the kernel's socket buffers cannot hold what the server does not read.
    const large = withCrc(volume().key, noise(32 * 1024 * 1024));
    s3.objects.set(volume().key, { bytes: Buffer.from('theirs'), crc: '', version: 'v' });
    s3.fault({ ...put, kind: { do: 'reset-mid-body', after: 100_000 } });
    await expect(open({ patience: { stallMs: 1000 } })(large)).rejects.toMatchObject({
      name: 'Store.Conflict',
    });
  });

  it('F31: the same key put a second time after a sure success is Store.Conflict', async () => {
    await open()(volume());
    await expect(store.putObject(volume())).rejects.toMatchObject({ name: 'Store.Conflict' });
  });

  it('F26: bytes that arrive damaged are sent again', async () => {
    s3.fault({ ...put, times: 3, kind: { do: 'damage' } });
    await open()(volume());
    expect(stored()?.equals(body)).toBe(true);
    expect(statuses()).toEqual([400, 400, 400, 200]);
  });

  it('F26: bytes that arrive damaged four times blame the way, and the store is not asked again', async () => {
    s3.fault({ ...put, times: 9, kind: { do: 'damage' } });
    await expect(open()(volume())).rejects.toMatchObject({
      name: 'Store.Unavailable',
      message: expect.stringContaining('network card'),
    });
    expect(s3.seen).toHaveLength(4);
    expect(stored()).toBeUndefined();
  });

  it('F26: bytes that changed in memory since their CRC32 was taken blame the memory', async () => {
    const { key, crc } = volume();
    const flipped = Buffer.from(body);
    flipped[1000]! ^= 4;
    await expect(open()({ key, body: flipped, crc })).rejects.toMatchObject({
      name: 'Store.Unavailable',
      message: expect.stringContaining('memory'),
    });
    expect(stored()).toBeUndefined();
  });

  it('F27: an answer that names another CRC32 than was sent is Verify.ObjectDiffers', async () => {
    s3.fault({
      ...put,
      kind: { do: 'answer', status: 200, code: '', headers: { 'x-amz-checksum-crc32': 'AAAAAA==' } },
    });
    await expect(open()(volume())).rejects.toMatchObject({ name: 'Verify.ObjectDiffers' });
  });

  it('F29: an expired token is renewed and the put goes on', async () => {
    s3.fault({ ...put, kind: { do: 'answer', status: 400, code: 'ExpiredToken' } });
    const asked: (boolean | undefined)[] = [];
    const putObject = open({
      credentials: async (options) => {
        asked.push(options?.forceRefresh);
        return { accessKeyId: options?.forceRefresh ? 'FRESH' : 'STALE', secretAccessKey: 's' };
      },
    });
    await putObject(volume());
    expect(asked).toEqual([undefined, true]);
    expect(s3.seen[1]!.headers.authorization).toContain('Credential=FRESH/');
  });

  it.each([
    [403, 'AccessDenied'],
    [403, 'InvalidAccessKeyId'],
    [400, 'KMS.DisabledException'],
    [404, 'NoSuchBucket'],
  ])('F30: %i %s is Store.Denied at once, with the store’s own code', async (status, code) => {
    s3.fault({ ...put, kind: { do: 'answer', status, code } });
    await expect(open()(volume())).rejects.toMatchObject({
      name: 'Store.Denied',
      message: expect.stringContaining(code),
      facts: { code, status },
    });
    expect(s3.seen).toHaveLength(1);
  });

  it('F30: a refusal that comes before the body is read is heard in the end', async () => {
    s3.fault({ ...put, times: 99, kind: { do: 'answer-early', status: 403, code: 'AccessDenied' } });
    const large = withCrc(volume().key, noise(32 * 1024 * 1024));
    await expect(open({ patience: { stallMs: 1000 } })(large)).rejects.toMatchObject({
      name: 'Store.Denied',
    });
    expect(s3.seen.length).toBeLessThanOrEqual(3);
  });

  it.each([
    [301, 'PermanentRedirect', { headers: { 'x-amz-bucket-region': 'ap-south-1' } }],
    [400, 'AuthorizationHeaderMalformed', { body: '<Region>ap-south-1</Region>' }],
  ])('%i %s names the region where the bucket is', async (status, code, more) => {
    s3.fault({ ...put, kind: { do: 'answer', status, code, ...more } });
    await expect(open()(volume())).rejects.toMatchObject({
      name: 'Store.Denied',
      message: expect.stringContaining('ap-south-1'),
      facts: { region: 'ap-south-1' },
    });
  });

  it('F23: a store that stays away uses up the budget and no more', async () => {
    s3.fault({ ...put, times: 9999, kind: { do: 'answer', status: 503, code: 'SlowDown' } });
    const began = performance.now();
    await expect(open({ patience: { budgetMs: 200 } })(volume())).rejects.toMatchObject({
      name: 'Store.Unavailable',
      message: expect.stringContaining('503 SlowDown'),
    });
    expect(performance.now() - began).toBeLessThan(2000);
  });

  it('F23: nobody at the address is a reason to try again, too', async () => {
    const putObject = open({ patience: { budgetMs: 100 } });
    await s3.stop();
    await expect(putObject(volume())).rejects.toMatchObject({
      name: 'Store.Unavailable',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });

  it('stops at once when the job ends, with the job’s reason', async () => {
    s3.fault({ ...put, kind: { do: 'stall' } });
    const job = new AbortController();
    const reason = new Error('the job was cancelled');
    const going = open({ patience: { stallMs: 60_000 } })({ ...volume(), signal: job.signal });
    setTimeout(() => job.abort(reason), 50);
    await expect(going).rejects.toBe(reason);
  });
});
