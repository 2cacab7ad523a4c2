/** An error of the SSM API as it goes over the wire: `name` is its `__type`. */
export class SsmError extends Error {
  constructor(type: SsmErrorType, message: string) {
    super(message);
    this.name = type;
  }
}

export type SsmErrorType =
  | 'InvalidCommandId'
  | 'InvalidDocument'
  | 'InvalidDocumentContent'
  | 'InvalidInstanceId'
  | 'InvalidParameters'
  | 'InvocationDoesNotExist'
  | 'ThrottlingException'
  | 'ValidationException';
