import type { MysqlPosition } from '../../contract/positions/position.ts';
import type { ArchiveRecord } from '../catalog/archive.ts';
import type { RestoreWindow, SetWindows } from './windows.ts';

const placeOf = ({ gtid, file, offset }: MysqlPosition) =>
  [gtid && `GTID ${gtid}`, file && `${file}:${offset}`].filter((part) => part).join(', ') || 'its beginning';

/** Seconds in the unit that a person would say them in. */
export function spoken(seconds: number): string {
  if (seconds < 120) return `${Math.max(0, Math.round(seconds))} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

function ofWindow(window: RestoreWindow): string[] {
  const { from, to, backups, oldest, newest, end, gtids, deadBehind, roughBefore, timeline } = window;
  const lead = backups === 1 ? `backup ${oldest} leads` : `${backups} backups lead, ${oldest} to ${newest},`;
  return [
    `any time from ${from} to ${to}, up to ${placeOf(end)} (${lead} into ${timeline})`,
    ...(gtids
      ? []
      : [
          `positions only: no GTIDs in ${timeline}, so until takes a file and offset, a time or "latest", and only backups of the server that wrote this log lead into it`,
        ]),
    ...(roughBefore === undefined
      ? []
      : [`times before ${roughBefore} are told from later ones by the second at best: a GTID is exact`]),
    ...(deadBehind === undefined
      ? []
      : [
          `${timeline} is a dead branch${deadBehind && ` behind GTID ${deadBehind}`}: what lies there is had only where until.timeline names it`,
        ]),
  ];
}

/** How the archive stands now: up to where it is recorded, and what the loss of the server would cost. */
export function behindOf(record: ArchiveRecord, now: Date): { behindSeconds: number | null; said: string } {
  const { durableAt, newest, memberId, state, reason } = record;
  const behindSeconds = durableAt === null ? null : (now.getTime() - Date.parse(durableAt)) / 1000;
  const to = newest === null ? 'nothing yet' : `up to ${placeOf(newest.end)}`;
  const behind = behindSeconds === null ? '' : `, ${spoken(behindSeconds)} behind now`;
  const trouble = state === 'archiving' ? '' : `; ${state}${reason && `: ${reason}`}`;
  return { behindSeconds, said: `archived by ${memberId}: ${to}${behind}${trouble}` };
}

/** What an operator must know before choosing `until`, in sentences. */
export const sayWindows = ({ windows, holes, barren }: SetWindows): string[] => [
  ...windows.flatMap(ofWindow),
  ...holes.map(({ from, to, why }) => `not between ${from} and ${to}: ${why}`),
  ...barren.map(({ timeline, why }) => `not into ${timeline}: ${why}`),
];
