import Pool from 'undici/lib/dispatcher/pool.js';
import type { Log } from '../engines/engine.ts';
import { connectWithOneBuffer } from './connect.ts';
import { type GetObject, makeGetObject } from './get-object.ts';
import { type GetSmallObject, makeGetSmallObject } from './get-small-object.ts';
import { makePutObject, type PutObject } from './put-object.ts';
import { defaultPatience, type Patience } from './retry.ts';
import { type CredentialsProvider, makeSign } from './sign.ts';
import { storeAddress } from './store-address.ts';
import type { Wire } from './wire.ts';

export type StoreOptions = {
  bucket: string;
  region: string;
  credentials: CredentialsProvider;
  /** Connections kept open: as many as there are requests at once. */
  connections: number;
  /** For AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL. */
  env: Readonly<Record<string, string | undefined>>;
  log: Log;
  patience?: Partial<Patience>;
};

export type Store = {
  putObject: PutObject;
  getObject: GetObject;
  getSmallObject: GetSmallObject;
  close: () => Promise<void>;
};

/** One bucket as a runner reaches it: conditional puts and ranged gets over kept connections. */
export function openStore(options: StoreOptions): Store {
  const { bucket, region, credentials, env, log } = options;
  const address = storeAddress({ bucket, region, env });
  // The pool alone: with all of undici (fetch, web sockets, caches) the runner's process is 7 MiB larger.
  const pool = new Pool(address.origin, {
    connections: options.connections,
    pipelining: 1,
    connect: connectWithOneBuffer(10_000),
  });
  const patience = { ...defaultPatience, ...options.patience };
  const wire: Wire = {
    dispatcher: pool,
    origin: address.origin,
    sign: makeSign({ address, region, credentials }),
    patience,
    log,
  };
  return {
    putObject: makePutObject(wire),
    getObject: makeGetObject(wire),
    getSmallObject: makeGetSmallObject(wire),
    close: () => pool.destroy(),
  };
}
