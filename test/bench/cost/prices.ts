/** List prices of us-east-1 in US dollars, as of November 2026, from memory: check them before you rely on a sum. */
export const prices = {
  region: 'us-east-1',
  asOf: 'November 2026',
  /** Standard workflows, each. */
  stateTransition: 0.025 / 1000,
  lambdaRequest: 0.2 / 1e6,
  /** arm64. */
  lambdaGBSecond: 0.0000133334,
  /** On demand; a write of 1 KB, a read of 4 KB. */
  dynamoWriteUnit: 0.625 / 1e6,
  dynamoReadUnit: 0.125 / 1e6,
  s3Put: 0.005 / 1000,
  s3Get: 0.0004 / 1000,
  event: 1 / 1e6,
  notification: 0.5 / 1e6,
  metricsPut: 0.01 / 1000,
  keyRequest: 0.03 / 10_000,
} as const;
