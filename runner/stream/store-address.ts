import { isIP } from 'node:net';

/** Where a bucket is reached: `pathOf` gives the request path of a key. */
export type StoreAddress = { origin: string; host: string; pathOf: (key: string) => string };

/**
 * The address of a bucket. An endpoint from the environment (AWS_ENDPOINT_URL_S3, then AWS_ENDPOINT_URL), an IP
 * address, and a bucket name with dots, which no wildcard certificate covers, are addressed by path; others by
 * virtual host.
 */
export function storeAddress(options: {
  bucket: string;
  region: string;
  env: Readonly<Record<string, string | undefined>>;
}): StoreAddress {
  const { bucket, region, env } = options;
  const given = env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL;
  const suffix = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  const base = new URL(given ?? `https://s3.${region}.${suffix}`);
  const byPath =
    given !== undefined || isIP(base.hostname.replace(/^\[|\]$/g, '')) !== 0 || bucket.includes('.');
  const host = byPath ? base.host : `${bucket}.${base.host}`;
  const prefix = byPath ? `${base.pathname.replace(/\/$/, '')}/${bucket}` : '';
  return {
    origin: `${base.protocol}//${host}`,
    host,
    // Keys consist of letters, digits, `-`, `.` and `/` only (contract/layout.ts), so nothing is escaped.
    pathOf: (key) => `${prefix}/${key}`,
  };
}
