import type { StreamedFile } from './events.ts';
import type { XbstreamState } from './state.ts';

export type StreamState = { stream: string; state: XbstreamState };

/**
 * What several streams of one tool hold together, for the verdict on the whole: the files of all, and the first fault of
 * any. XtraBackup writes a file into one of them; one that is in two is a fault of its own.
 */
export function joinStates(parts: readonly [StreamState, ...StreamState[]]): XbstreamState {
  const [{ state: first }] = parts;
  if (parts.length === 1) return first;
  const files = new Map<string, Readonly<StreamedFile>>();
  const streamOf = new Map<string, string>();
  let { failure } = first;
  if (failure !== undefined) failure = { ...failure, detail: `${parts[0].stream}: ${failure.detail}` };
  for (const { stream, state } of parts) {
    if (state.failure !== undefined) {
      failure ??= { ...state.failure, detail: `${stream}: ${state.failure.detail}` };
    }
    for (const [path, file] of state.files) {
      const other = streamOf.get(path);
      if (other !== undefined) {
        const detail = `the file is in ${other} and in ${stream}`;
        failure ??= { fault: 'reopened', streamOffset: file.from, path, detail };
      }
      streamOf.set(path, stream);
      files.set(path, file);
    }
  }
  const cut = parts.find(({ state }) => state.midChunk);
  const states = parts.map(({ state }) => state);
  const joined = <T>(of: (state: XbstreamState) => Iterable<T>) => states.flatMap((state) => [...of(state)]);
  return {
    flavour: first.flavour,
    failure,
    streamBytes: states.reduce((sum, state) => sum + state.streamBytes, 0),
    midChunk: cut !== undefined,
    ...(cut === undefined ? {} : { cut: { stream: cut.stream, bytes: cut.state.streamBytes } }),
    files,
    missedRenames: new Map(joined((state) => state.missedRenames)),
    goneWithDirectory: new Set(joined((state) => state.goneWithDirectory)),
    strays: new Set(joined((state) => state.strays)),
    content: (path) => states.map((state) => state.content(path)).find((kept) => kept !== undefined),
    bufferedBytes: states.reduce((sum, state) => sum + state.bufferedBytes, 0),
  };
}
