import { describe, expect, it } from 'vitest';
import { storeAddress } from '../../../../runner/stream/store-address.ts';

const at = (bucket: string, region: string, env: Record<string, string> = {}) => {
  const { origin, host, pathOf } = storeAddress({ bucket, region, env });
  return { origin, host, path: pathOf('c/k') };
};

describe('the address of a bucket', () => {
  it('is its own host at AWS', () => {
    expect(at('vault', 'eu-west-1')).toEqual({
      origin: 'https://vault.s3.eu-west-1.amazonaws.com',
      host: 'vault.s3.eu-west-1.amazonaws.com',
      path: '/c/k',
    });
    expect(at('vault', 'cn-north-1').host).toBe('vault.s3.cn-north-1.amazonaws.com.cn');
  });

  it('is a path where the name has dots, which no wildcard certificate covers', () => {
    expect(at('vault.example', 'eu-west-1')).toEqual({
      origin: 'https://s3.eu-west-1.amazonaws.com',
      host: 's3.eu-west-1.amazonaws.com',
      path: '/vault.example/c/k',
    });
  });

  it('is a path at an endpoint of the environment, the one for S3 first', () => {
    expect(at('vault', 'eu-west-1', { AWS_ENDPOINT_URL: 'http://127.0.0.1:4566' })).toEqual({
      origin: 'http://127.0.0.1:4566',
      host: '127.0.0.1:4566',
      path: '/vault/c/k',
    });
    const both = { AWS_ENDPOINT_URL: 'http://a', AWS_ENDPOINT_URL_S3: 'https://b:9000/base/' };
    expect(at('vault', 'eu-west-1', both)).toEqual({
      origin: 'https://b:9000',
      host: 'b:9000',
      path: '/base/vault/c/k',
    });
  });
});
