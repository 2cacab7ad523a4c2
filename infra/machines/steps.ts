import { Duration } from 'aws-cdk-lib';
import { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import {
  Choice,
  Condition,
  Errors,
  type IChainable,
  IntegrationPattern,
  JitterType,
  TaskInput,
  type TaskStateBase,
  Timeout,
} from 'aws-cdk-lib/aws-stepfunctions';
import { LambdaInvoke } from 'aws-cdk-lib/aws-stepfunctions-tasks';
import type { Construct } from 'constructs';
import { heartbeatTimeoutSeconds } from '../../contract/records/job.ts';
import type { Names } from '../names.ts';

/** Every one of them means "the function did not run, or not to its end through no fault of its own". */
const passing = ['Lambda.ServiceException', 'Lambda.AWSLambdaException', 'Lambda.SdkClientException'];

/** All functions of an account share its concurrency, ten in a new one: a fleet that starts at once waits for its turn. */
const throttled = ['Lambda.TooManyRequestsException'];

export const thisExecution = '{% $states.context.Execution.Id %}';

/** A member of an object in JSONata that may be missing: its value, else what stands in for it. */
export const optional = (path: string, otherwise: string) =>
  `{% $exists(${path}) ? ${path} : ${otherwise} %}`;

/**
 * What a Catch keeps: the first failure as a record of name and cause (4,000 characters, the limit of an error
 * record), and since when the execution has been ending, from which cancel counts its ten minutes.
 */
export const caught = {
  failure:
    "{% {'name': $states.errorOutput.Error, 'cause': $exists($states.errorOutput.Cause) ? $substring($states.errorOutput.Cause, 0, 4000) : 'no cause was given'} %}",
  since: '{% $now() %}',
};

/** Room for three task heartbeats; a task shorter than that ends by its own timeout, which has to be the larger number. */
const heartbeatOf = (seconds: number) => Duration.seconds(Math.min(heartbeatTimeoutSeconds, seconds - 20));

type Options = {
  seconds?: number;
  assign?: Record<string, unknown>;
  /** How a function that broke is called again; each may be called twice with the same input. */
  again?: { seconds: number; times: number };
};

/** What broke once is called again after 5 and 15 s at most: a moment without a table costs no attempt of a backup. */
const twiceMore = { seconds: 5, times: 2 };

/**
 * The parts that our machines are made of. Functions are named by ARN from settings, so that a definition is
 * plain text which a test can walk against its role.
 */
export function stepsOf(scope: Construct, names: Names) {
  const functionOf = (name: string) =>
    LambdaFunction.fromFunctionAttributes(scope, `Function ${name} for ${crumb()}`, {
      functionArn: names.functionArn(name),
      sameEnvironment: true,
    });
  let crumbs = 0;
  const crumb = () => String(++crumbs);
  const retried = <T extends TaskStateBase>(task: T) => {
    // 2 s, 4 s, 8 s with full jitter: a throttled burst spreads, and a state stays below a quarter of a minute more.
    task.addRetry({
      errors: passing,
      interval: Duration.seconds(2),
      maxAttempts: 3,
      backoffRate: 2,
      jitterStrategy: JitterType.FULL,
    });
    // 2 s doubling to 60 s with full jitter: two minutes on average, four at most.
    task.addRetry({
      errors: throttled,
      interval: Duration.seconds(2),
      maxAttempts: 8,
      backoffRate: 2,
      maxDelay: Duration.seconds(60),
      jitterStrategy: JitterType.FULL,
    });
    return task;
  };
  return {
    /** Asks a function and goes on with its answer as output. 60 s unless told. */
    ask: (sentence: string, name: string, payload: Record<string, unknown>, options: Options = {}) => {
      const { seconds, times } = options.again ?? twiceMore;
      const task = retried(
        LambdaInvoke.jsonata(scope, sentence, {
          lambdaFunction: functionOf(name),
          payload: TaskInput.fromObject(payload),
          taskTimeout: Timeout.duration(Duration.seconds(options.seconds ?? 60)),
          outputs: '{% $states.result.Payload %}',
          retryOnServiceExceptions: false,
          ...(options.assign ? { assign: options.assign } : {}),
        }),
      );
      task.addRetry({
        errors: [Errors.TASKS_FAILED, Errors.TIMEOUT],
        interval: Duration.seconds(seconds),
        maxAttempts: times,
        backoffRate: 3,
        maxDelay: Duration.minutes(5),
        jitterStrategy: JitterType.FULL,
      });
      return task;
    },
    /**
     * Sends a job to a host and waits until its runner answers with the token. `job` is the JSONata path of
     * what dispatch needs (jobId, hostId, order, deadlineSeconds).
     */
    runOnHost: (
      sentence: string,
      job: string,
      wait: {
        seconds: number;
        lock: string;
        clusterId: string;
        outputs?: unknown;
        assign?: Record<string, unknown>;
      },
    ) =>
      retried(
        LambdaInvoke.jsonata(scope, sentence, {
          lambdaFunction: functionOf('dispatch'),
          integrationPattern: IntegrationPattern.WAIT_FOR_TASK_TOKEN,
          payload: TaskInput.fromObject({
            token: '{% $states.context.Task.Token %}',
            execution: thisExecution,
            lock: wait.lock,
            clusterId: wait.clusterId,
            jobId: `{% ${job}.jobId %}`,
            hostId: `{% ${job}.hostId %}`,
            order: `{% ${job}.order %}`,
            deadlineSeconds: `{% ${job}.deadlineSeconds %}`,
          }),
          taskTimeout: Timeout.duration(Duration.seconds(wait.seconds)),
          heartbeatTimeout: Timeout.duration(heartbeatOf(wait.seconds)),
          outputs: wait.outputs ?? '{% $states.result %}',
          retryOnServiceExceptions: false,
          ...(wait.assign ? { assign: wait.assign } : {}),
        }),
      ),
    /** A question about the answer before it, or about a variable: each case is a JSONata condition. */
    decide: (
      sentence: string,
      cases: { when: string; next: IChainable; assign?: Record<string, unknown>; outputs?: unknown }[],
      otherwise: IChainable,
    ) => {
      const choice = Choice.jsonata(scope, sentence);
      for (const { when, next, assign, outputs } of cases) {
        choice.when(Condition.jsonata(`{% ${when} %}`), next, {
          ...(assign ? { assign } : {}),
          ...(outputs === undefined ? {} : { outputs }),
        });
      }
      return choice.otherwise(otherwise);
    },
  };
}

/** Condition: the function before answered with this outcome. */
export const answered = (...outcomes: string[]) =>
  outcomes.map((outcome) => `$states.input.outcome = '${outcome}'`).join(' or ');

export type Steps = ReturnType<typeof stepsOf>;
