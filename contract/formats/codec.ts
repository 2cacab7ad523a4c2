import { z } from 'zod';
import { NamedError } from '../errors/named-error.ts';
import { type ClusterRecord, clusterRecordSchema } from '../records/cluster.ts';
import { type HostRecord, hostRecordSchema } from '../records/host.ts';
import { type LogReceipt, logReceiptSchema } from './log-receipt.ts';
import { type Manifest, manifestSchema, manifestVersion } from './manifest.ts';
import { type Receipt, receiptSchema } from './receipt.ts';

/** Versions of the formats written here. */
const receiptVersion = 1;
const registryVersion = 1;

/**
 * Canonical JSON: keys sorted at every level, two spaces of indentation, one line break at the end. Equal values
 * give equal bytes (so that a checksum of the text is one of the value), and a person can read it.
 */
export function canonicalJson(value: unknown): string {
  const sorted = (_: string, v: unknown) =>
    v !== null && typeof v === 'object' && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : v;
  return `${JSON.stringify(value, sorted, 2)}\n`;
}

const pathOf = (path: readonly PropertyKey[]) => path.map(String).join('.') || '(the whole)';

function invalid(what: string, issues: readonly z.core.$ZodIssue[]): NamedError {
  const shown = issues.slice(0, 5).map((issue) => `${pathOf(issue.path)}: ${issue.message}`);
  const more = issues.length > shown.length ? `; and ${issues.length - shown.length} more` : '';
  return new NamedError('Input.Invalid', `${what}: ${shown.join('; ')}${more}`, {
    field: pathOf(issues[0]?.path ?? []),
  });
}

/** Takes the named fields out of the object at `path`, in place. */
function removeFields(value: unknown, path: readonly PropertyKey[], fields: readonly string[]): void {
  const holder = path.reduce<unknown>(
    (at, step) =>
      at === null || typeof at !== 'object' ? undefined : (at as Record<PropertyKey, unknown>)[step],
    value,
  );
  if (holder === null || typeof holder !== 'object') return;
  for (const field of fields) delete (holder as Record<string, unknown>)[field];
}

/**
 * Reads a stored value by its schema. What operators type is checked strictly elsewhere; a stored object may come
 * from a newer writer of the same version, and formats change by addition: a field this reader does not know is
 * ignored, also where the schema of the typed document would refuse it. Throws `Input.Invalid` naming the path.
 */
export function readStored<S extends z.ZodType>(schema: S, what: string, value: unknown): z.output<S> {
  let copy = value;
  // Each round removes at least one field; strict objects nest three deep at most (record, document, member).
  for (let round = 0; ; round++) {
    const read = schema.safeParse(copy);
    if (read.success) return read.data;
    const unknownFields = read.error.issues.filter((issue) => issue.code === 'unrecognized_keys');
    if (unknownFields.length === 0 || round > 10) throw invalid(what, read.error.issues);
    // Only now, since a copy of what a host wrote may be as large as it liked.
    if (round === 0) copy = structuredClone(value);
    for (const issue of unknownFields) removeFields(copy, issue.path, issue.keys);
  }
}

function parseJson(what: string, text: string | Uint8Array): unknown {
  try {
    return JSON.parse(
      typeof text === 'string' ? text : new TextDecoder('utf-8', { fatal: true }).decode(text),
    );
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new NamedError('Input.Invalid', `${what}: not JSON: ${said}`, { field: '(the whole)' }, { cause });
  }
}

/** Reads one stored text of a format by its schema and its newest version. Throws `Input.Invalid`, `Format.Newer`. */
export function decode<S extends z.ZodType>(
  schema: S,
  what: string,
  version: number,
  text: string | Uint8Array,
): z.output<S> {
  const value = parseJson(what, text);
  const found = z.object({ v: z.int() }).safeParse(value);
  if (found.success && found.data.v > version) {
    throw new NamedError(
      'Format.Newer',
      `${what}: written in version ${found.data.v}; this version reads up to ${version}: use the newer holdfast`,
      { field: 'v', value: found.data.v, reads: version },
    );
  }
  return readStored(schema, what, value);
}

function encode<S extends z.ZodType>(schema: S, what: string, value: z.input<S>): string {
  const checked = schema.safeParse(value);
  if (!checked.success) throw invalid(what, checked.error.issues);
  return canonicalJson(checked.data);
}

/** The bytes of `manifest.json`. Throws `Input.Invalid` rather than write what no reader would take. */
export const encodeManifest = (manifest: Manifest): string => encode(manifestSchema, 'manifest', manifest);

/** Reads a manifest of this version or an older one. Throws `Input.Invalid` with the path, `Format.Newer`. */
export const decodeManifest = (text: string | Uint8Array): Manifest =>
  decode(manifestSchema, 'manifest', manifestVersion, text);

/** The bytes of a receipt. */
export const encodeReceipt = (receipt: Receipt): string => encode(receiptSchema, 'receipt', receipt);

/** Reads a receipt of this version or an older one. Throws `Input.Invalid` with the path, `Format.Newer`. */
export const decodeReceipt = (text: string | Uint8Array): Receipt =>
  decode(receiptSchema, 'receipt', receiptVersion, text);

/** The bytes of a receipt about an archive. */
export const encodeLogReceipt = (receipt: LogReceipt): string =>
  encode(logReceiptSchema, 'log receipt', receipt);

/** Reads a receipt about an archive. Throws `Input.Invalid` with the path, `Format.Newer`. */
export const decodeLogReceipt = (text: string | Uint8Array): LogReceipt =>
  decode(logReceiptSchema, 'log receipt', receiptVersion, text);

/** Reads a cluster of the registry. Throws `Input.Invalid` with the path, `Format.Newer`. */
export const decodeClusterRecord = (text: string | Uint8Array): ClusterRecord =>
  decode(clusterRecordSchema, 'cluster record', registryVersion, text);

/** Reads a host of the registry. Throws `Input.Invalid` with the path, `Format.Newer`. */
export const decodeHostRecord = (text: string | Uint8Array): HostRecord =>
  decode(hostRecordSchema, 'host record', registryVersion, text);
