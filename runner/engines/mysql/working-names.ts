const working = /^holdfast_[0-9a-f]{12}_\d+(?:_space)?$/;

/** The name under which a restore of tables fills its n-th one. */
export const workingName = (id: string, n: number): string => `holdfast_${id}_${n}`;

/** The table, in no log, that its rows are read of on the live server. */
export const spaceName = (name: string): string => `${name}_space`;

/**
 * Whether a table is an unfinished one of a restore of tables. It is nobody's data, is gone or renamed soon, and may have
 * no tablespace at the moment: a backup that is taken meanwhile neither needs it nor fails over it.
 */
export const isWorkingName = (name: string): boolean => working.test(name);
