/** Paths hold the users' own words: a table may be called `corrupt` or `deprecated`. */
export const withoutPaths = (line: string) => line.replace(/\S*\/\S*/g, '');
