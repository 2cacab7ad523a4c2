import { createHash, createHmac } from 'node:crypto';
import { HttpRequest } from '@smithy/protocol-http';
import { SignatureV4 } from '@smithy/signature-v4';

export type Keys = { accessKeyId: string; secretAccessKey: string; sessionToken?: string };

/** One request to a service, unsigned. */
export type ServiceRequest = {
  service: string;
  method: string;
  path: string;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  body?: string;
};

/** Of the services that speak JSON and name the operation in a header. */
export const json = (service: string, target: string, body: object): ServiceRequest => ({
  service,
  method: 'POST',
  path: '/',
  headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': target },
  body: JSON.stringify(body),
});

/** Of the services that take a form. */
export const form = (service: string, version: string, fields: Record<string, string>): ServiceRequest => ({
  service,
  method: 'POST',
  path: '/',
  headers: { 'content-type': 'application/x-www-form-urlencoded' },
  body: new URLSearchParams({ ...fields, Version: version }).toString(),
});

/** Of the services with paths, S3 and Lambda among them. */
export const rest = (
  service: string,
  method: string,
  path: string,
  more: Pick<ServiceRequest, 'query' | 'headers' | 'body'> = {},
): ServiceRequest => ({ service, method, path, ...more });

class Sha256 {
  readonly #hash;
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

const denials = new Set([
  'AccessDenied',
  'AccessDeniedException',
  'AuthorizationError',
  'UnauthorizedOperation',
  'Client.UnauthorizedOperation',
]);

/** Name of the error in an answer, in whichever way its service says it. */
function errorOf(status: number, header: string | null, body: string): string {
  const said =
    header?.split(':')[0] ??
    /"__type"\s*:\s*"(?:[^"#]*#)?([^"]+)"/.exec(body)?.[1] ??
    /<Code>([^<]+)<\/Code>/.exec(body)?.[1];
  return said ?? (status === 403 ? 'AccessDenied' : `HTTP ${status}`);
}

/** Signs a request as its service wants it and sends it. Answers `done`, `denied`, or the name of another error. */
export function makeSend(endpoint: string, region: string) {
  const { hostname, port } = new URL(endpoint);
  return async (request: ServiceRequest, keys: Keys): Promise<string> => {
    const { service, method, path, query = {}, headers = {}, body } = request;
    const signer = new SignatureV4({
      credentials: keys,
      region,
      service,
      sha256: Sha256 as unknown as ConstructorParameters<typeof SignatureV4>[0]['sha256'],
      uriEscapePath: service !== 's3',
    });
    const host = `${hostname}:${port}`;
    const signed = await signer.sign(
      new HttpRequest({
        method,
        hostname,
        port: Number(port),
        path,
        query,
        headers: { ...headers, host },
        body,
      }),
    );
    const search = new URLSearchParams(query).toString().replaceAll('+', '%20');
    const answer = await fetch(`${endpoint}${path}${search ? `?${search}` : ''}`, {
      method,
      headers: signed.headers,
      ...(body === undefined ? {} : { body }),
    });
    const text = await answer.text();
    if (answer.ok) return 'done';
    const error = errorOf(answer.status, answer.headers.get('x-amzn-errortype'), text);
    return denials.has(error) ? 'denied' : error;
  };
}

export type Send = ReturnType<typeof makeSend>;
