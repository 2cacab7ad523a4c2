declare const HOLDFAST_RUNNER_VERSION: string | undefined;

/** Version of this runner: `<package version>+<hash of its bundle>`, put in by the bundler; `development` from sources. */
export const runnerVersion: string =
  typeof HOLDFAST_RUNNER_VERSION === 'string' ? HOLDFAST_RUNNER_VERSION : 'development';
