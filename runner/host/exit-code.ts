/** What the runner may exit with. SSM takes 194 as an order to reboot the host and run again (F40). */
export function clampExitCode(code: number): number {
  if (!Number.isInteger(code) || code < 0) return 1;
  return Math.min(code, 125);
}
