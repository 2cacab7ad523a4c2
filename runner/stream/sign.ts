import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import { HttpRequest } from '@smithy/protocol-http';
import { SignatureV4 } from '@smithy/signature-v4';
import type { StoreAddress } from './store-address.ts';

/** Gives credentials, from its own memory while they are valid; `forceRefresh` asks for new ones. */
export type CredentialsProvider = (options?: { forceRefresh?: boolean }) => Promise<{
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  expiration?: Date;
}>;

export type SignedRequest = { method: 'GET' | 'PUT'; path: string; headers: Record<string, string> };

export type Sign = (
  request: { method: 'GET' | 'PUT'; key: string; headers: Record<string, string>; versionId?: string },
  options?: { freshCredentials?: boolean },
) => Promise<SignedRequest>;

type HashConstructor = ConstructorParameters<typeof SignatureV4>[0]['sha256'];

/** SHA-256 and HMAC as the signer wants them: a constructor with update and digest. */
class Sha256 {
  readonly #hash: Hash | Hmac;
  constructor(secret?: Parameters<typeof createHmac>[1]) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret);
  }
  update(data: Uint8Array | string) {
    this.#hash.update(data);
  }
  async digest() {
    return new Uint8Array(this.#hash.digest());
  }
  reset() {}
}

/**
 * Signs requests for one bucket (AWS Signature Version 4). The payload is not part of the signature: a put carries
 * its CRC32 as a signed header instead, which the store checks, and hashing it as well would cost more than all else.
 */
export function makeSign(options: {
  address: StoreAddress;
  region: string;
  credentials: CredentialsProvider;
}): Sign {
  const { address, region, credentials } = options;
  return async ({ method, key, headers, versionId }, { freshCredentials = false } = {}) => {
    const signer = new SignatureV4({
      credentials: await credentials(freshCredentials ? { forceRefresh: true } : undefined),
      region,
      service: 's3',
      sha256: Sha256 as unknown as HashConstructor,
      // S3 signs paths as they are sent.
      uriEscapePath: false,
      applyChecksum: false,
    });
    const path = address.pathOf(key);
    const request = new HttpRequest({
      method,
      hostname: address.host,
      path,
      headers: { ...headers, host: address.host, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
      ...(versionId === undefined ? {} : { query: { versionId } }),
    });
    const signed = await signer.sign(request);
    const query = versionId === undefined ? '' : `?versionId=${encodeURIComponent(versionId)}`;
    return { method, path: `${path}${query}`, headers: signed.headers };
  };
}
