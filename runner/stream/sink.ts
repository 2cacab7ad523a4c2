import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { NamedError } from '../../contract/errors/named-error.ts';
import type { StreamSummary } from '../../contract/formats/manifest.ts';
import { type BackupPlace, indexKey, volumeKey } from '../../contract/layout.ts';
import type { BackupPlan } from '../../contract/records/backup.ts';
import type { Policy } from '../../contract/records/policy.ts';
import type { Sinks } from '../engines/engine.ts';
import { makeBell } from './bell.ts';
import type { Frames } from './frames.ts';
import { makeGate } from './gate.ts';
import { makeIndexWriter } from './index-writer.ts';
import { openFrames } from './open-frames.ts';
import type { PutObject } from './put-object.ts';
import { openSpool, type Spool, spoolPath } from './spool.ts';
import { makeStreamSink, type OpenStream } from './stream-sink.ts';
import { makeVolumeBuffers } from './volume-buffers.ts';
import { openVolumes, type Volumes } from './volumes.ts';
import { largestFrame } from './zstd-frames.ts';

export type SinksOptions = {
  place: BackupPlace;
  jobId: string;
  plan: Pick<BackupPlan, 'volumeBytes' | 'uploadsInFlight' | 'frameBytes' | 'fifoStreams'>;
  policy: Pick<Policy, 'codec' | 'zstdLevel'>;
  putObject: PutObject;
  /** Where the spool of a lock phase may lie: a disk, not tmpfs, since it can grow to `spoolBytes`. */
  spoolDir: string;
  /** Of each stream; a gigabyte of all together unless it is given. */
  spoolBytes?: number;
  /** Frames of a stream compressed at once; of several streams one each. Two keep up with a disk or a network without taking a database's processors. */
  compressInFlight?: number;
};

export type StreamSinks = Sinks & {
  /**
   * After the tool's verdict: stores what is left of every stream, then the index. Returns what the manifest says
   * of the streams. Throws the first error that any upload had, or Backup.Incomplete for a stream without a byte.
   */
  finish: () => Promise<StreamSummary[]>;
  /** Stops every upload and forgets what is held; nothing is finalised. Resolves when nothing runs any more. */
  abort: (reason: Error) => Promise<void>;
  /** Bytes of all streams so far: taken from the engine, and stored (as they lie in the bucket). */
  progress: () => { bytes: number; storedBytes: number };
};

type Part = { name: string; sink: OpenStream; frames: Frames; volumes: Volumes; spool: Spool };

const defaultSpoolBytes = 1024 ** 3;

/**
 * Buffers besides the one that is filled: one less than uploads in flight, so that a job with one stream has as many
 * buffers as uploads. A volume is filled in a small part of the time that its upload takes, and for that moment one
 * upload less runs; the buffer would be 32 MiB on a database's host.
 */
const buffersBesides = (uploadsInFlight: number) => Math.max(1, uploadsInFlight - 1);

/**
 * Opens the way of one job's streams into the bucket. Memory: volumes × (in flight + streams - 1), with zstd 8 MiB more for
 * each frame compressed at once and one besides.
 */
export function openSinks(options: SinksOptions): StreamSinks {
  const { place, jobId, plan, policy } = options;
  const controller = new AbortController();
  const { signal } = controller;
  const bell = makeBell();
  const gate = makeGate(plan.uploadsInFlight);
  const buffers = makeVolumeBuffers(plan.volumeBytes, buffersBesides(plan.uploadsInFlight));
  const index = makeIndexWriter({ t: 'head', v: 1, ...place, jobId });
  const frameBytes =
    policy.codec === 'zstd'
      ? Math.min(plan.frameBytes, largestFrame(plan.volumeBytes))
      : Math.min(plan.frameBytes, plan.volumeBytes);
  if (frameBytes < 1) {
    throw new NamedError('Plan.Refused', `volumes of ${plan.volumeBytes} bytes cannot hold a frame`, {
      field: 'plan.volumeBytes',
      value: plan.volumeBytes,
    });
  }
  const parts = new Map<string, Part>();

  const fail = (error: unknown) => {
    controller.abort(error);
    bell.ring();
  };

  const open = (name: string): OpenStream => {
    if (parts.has(name)) throw new Error(`stream ${name} is open already`);
    buffers.widen();
    const volumes = openVolumes({
      stream: name,
      keyOf: (n) => volumeKey(place, name, n),
      buffers,
      gate,
      putObject: options.putObject,
      bell,
      signal,
      fail,
      onVolume: index.row,
    });
    const frames = openFrames({
      stream: name,
      codec: policy.codec,
      level: policy.zstdLevel,
      frameBytes,
      compressInFlight: options.compressInFlight ?? (plan.fifoStreams === undefined ? 2 : 1),
      volumes,
      bell,
      signal,
      fail,
      onFrame: index.row,
    });
    const spool = openSpool(
      spoolPath(options.spoolDir, name),
      options.spoolBytes ?? Math.floor(defaultSpoolBytes / (plan.fifoStreams ?? 1)),
    );
    const sink = makeStreamSink({ frames, volumes, spool, bell, signal, fail, row: index.row });
    parts.set(name, { name, sink, frames, volumes, spool });
    return sink;
  };

  const closeSpools = () => Promise.all([...parts.values()].map((part) => part.spool.close()));

  const storeIndex = async () => {
    const body = await index.finish();
    const key = indexKey(place, jobId);
    const { versionId } = await options.putObject({ key, body, crc: crc32(body), signal });
    const sha256 = createHash('sha256').update(body).digest('hex');
    return { key, bytes: body.length, sha256, version: versionId };
  };

  return {
    open,
    finish: async () => {
      try {
        // A stream that is empty because another one failed is not the cause.
        signal.throwIfAborted();
        for (const { name, sink } of parts.values()) {
          if (sink.bytes() > 0) continue;
          throw new NamedError('Backup.Incomplete', `stream ${name} has no byte`, { stream: name });
        }
        await Promise.all([...parts.values()].map((part) => part.sink.end()));
        const stored = await storeIndex();
        return [...parts.values()].map(({ name, sink, frames, volumes }) => ({
          stream: name,
          jobId,
          codec: policy.codec,
          bytes: sink.bytes(),
          frames: frames.count(),
          ...volumes.totals(),
          index: stored,
        }));
      } catch (error) {
        fail(error);
        throw error;
      } finally {
        await closeSpools();
      }
    },
    abort: async (reason) => {
      fail(reason);
      await Promise.allSettled([...parts.values()].map((part) => part.volumes.stored()));
      await closeSpools();
    },
    progress: () => {
      const all = [...parts.values()];
      return {
        bytes: all.reduce((sum, part) => sum + part.sink.bytes(), 0),
        storedBytes: all.reduce((sum, part) => sum + part.volumes.totals().storedBytes, 0),
      };
    },
  };
}
