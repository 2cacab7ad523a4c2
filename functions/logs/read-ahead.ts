import { segmentHeadBytes } from '../../contract/formats/segment-codec.ts';
import { segmentDayPrefix, segmentPlaceOf, type TimelinePlace } from '../../contract/layout.ts';
import type { Objects } from '../clients/objects.ts';

export type SegmentStore = Pick<Objects, 'head' | 'first'> & Partial<Pick<Objects, 'list'>>;

/** Requests of two kinds on their way at once; at 25 ms each some 1,200 segments in a second. */
const width = 32;
/** A shorter way is not worth a list. */
const shortWay = 200;

const dayMs = 86_400_000;

/** Days from the one of `first` to the one of `last`, as keys have them; none where they are not in that order. */
function daysBetween(first: string, last: string): string[] {
  const days: string[] = [];
  for (let at = Date.parse(first); at <= Date.parse(last) && days.length < 400; at += dayMs) {
    days.push(new Date(at).toISOString().slice(0, 10));
  }
  return days;
}

/**
 * A store that fetches the heads of segments before a walk back asks for them: each names the one before it only once
 * it is read, but a list of keys tells which are likely to follow. Keys that nobody asks for cost a request.
 */
function ahead(store: SegmentStore, keys: readonly string[]): SegmentStore {
  const places = new Map(keys.map((key, i) => [key, i]));
  type Fetched = { head: ReturnType<SegmentStore['head']>; first: ReturnType<SegmentStore['first']> };
  const fetched = new Map<number, Fetched>();
  const fetch = (i: number): Fetched => {
    const key = keys[i]!;
    const one = fetched.get(i) ?? { head: store.head(key), first: store.first(key, segmentHeadBytes) };
    // Whoever asks for it hears of an error; nobody may.
    one.head.catch(() => {});
    one.first.catch(() => {});
    fetched.set(i, one);
    return one;
  };
  const at = (key: string): Fetched | undefined => {
    const i = places.get(key);
    if (i === undefined) return undefined;
    for (let n = i; n >= 0 && n > i - width; n--) fetch(n);
    fetched.delete(i + 1);
    return fetch(i);
  };
  return {
    head: (key) => at(key)?.head ?? store.head(key),
    first: (key, most) => (most === segmentHeadBytes ? at(key)?.first : undefined) ?? store.first(key, most),
  };
}

/** The store for a walk from one segment back to another one; what lies far is fetched ahead. */
export async function storeForWalk(
  store: SegmentStore,
  archive: TimelinePlace,
  from: string,
  until: string | undefined,
): Promise<SegmentStore> {
  const [end, begin] = [segmentPlaceOf(from), until === undefined ? undefined : segmentPlaceOf(until)];
  if (store.list === undefined || !end || end.seq - (begin?.seq ?? -1) <= shortWay) return store;
  // Without a beginning the day of the end alone: the days before are walked as they come.
  const keys: string[] = [];
  // Whoever may write there could leave any number of keys.
  const mostKeys = 1000 + 4 * (end.seq - (begin?.seq ?? -1));
  for (const day of daysBetween(begin?.day ?? end.day, end.day)) {
    for await (const key of store.list(segmentDayPrefix(archive, day))) {
      if (keys.push(key) > mostKeys) return store;
    }
  }
  return ahead(store, keys);
}
