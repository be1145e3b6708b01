import {
  ConflictError,
  ForwardedError,
  InputError,
  NotAllowedError,
  NotFoundError,
  NotImplementedError,
  ServiceUnavailableError,
} from '@backstage/errors';
import { status, type ServiceError } from '@grpc/grpc-js';

/** The call was cancelled: by its own signal, or because the other side says so. */
export class CancelledError extends Error {
  override readonly name = 'CancelledError';
}

/** True for {@link CancelledError}, also across two installations of this package. */
export function isCancelled(error: unknown): boolean {
  return error instanceof Error && error.name === 'CancelledError';
}

/** The other side was not reached, or vanished. */
export class UnavailableError extends ServiceUnavailableError {
  override name = 'ServiceUnavailableError' as const;
  readonly mayRepeat = true;
}

/** True when the other side was not reached or vanished: a repeat may help. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof Error && 'mayRepeat' in error && error.mayRepeat === true;
}

// What grpc-js says when a connection dies under an open stream, besides UNAVAILABLE.
const BROKEN_CONNECTION = /RST_STREAM|ECONNRESET|EPIPE|Connection dropped|socket hang up/i;
const TOO_LARGE = /message .*larger than|message length|exceeds .*limit/i;
// grpc-js says this when the server reset the stream; an own cancel reads differently.
const RESET_BY_SERVER = 'Call cancelled';

type ErrorFactory = (message: string, cause: Error) => Error;

const BY_CODE: Partial<Record<status, ErrorFactory>> = {
  [status.INVALID_ARGUMENT]: message => new InputError(message),
  [status.OUT_OF_RANGE]: message => new InputError(message),
  [status.NOT_FOUND]: message => new NotFoundError(message),
  [status.ALREADY_EXISTS]: message => new ConflictError(message),
  [status.FAILED_PRECONDITION]: message => new ConflictError(message),
  [status.ABORTED]: message => new ConflictError(message),
  [status.PERMISSION_DENIED]: message => new NotAllowedError(message),
  // It is the portal that is not trusted, not its user: signing in again would not help.
  [status.UNAUTHENTICATED]: message =>
    new ServiceUnavailableError(`the purser sidecar refused the portal: ${message}`),
  [status.UNIMPLEMENTED]: message =>
    new NotImplementedError(`${message}; is the purser sidecar older than the portal's packages?`),
  [status.UNAVAILABLE]: message =>
    new UnavailableError(`the purser sidecar is not available: ${message}`),
  [status.DEADLINE_EXCEEDED]: message =>
    new ServiceUnavailableError(`the purser sidecar did not answer in time: ${message}`),
  [status.RESOURCE_EXHAUSTED]: message =>
    TOO_LARGE.test(message)
      ? new InputError(`too large for the purser sidecar: ${message}`)
      : new ServiceUnavailableError(`the purser sidecar is at a limit: ${message}`),
  [status.CANCELLED]: message => new CancelledError(message),
};

/** The one mapping from gRPC's status to Backstage's errors, which carry HTTP's. */
export function toBackstageError(error: ServiceError): Error {
  const message = error.details || error.message;
  if (
    ((error.code === status.INTERNAL || error.code === status.UNKNOWN) &&
      BROKEN_CONNECTION.test(message)) ||
    (error.code === status.CANCELLED && message === RESET_BY_SERVER)
  ) {
    return new UnavailableError(`the connection to the purser sidecar broke: ${message}`);
  }
  const factory = BY_CODE[error.code];
  return factory
    ? factory(message, error)
    : new ForwardedError('the purser sidecar failed', new Error(message));
}

// Names of the codes, as the native addon gives them on its errors.
const CODE_BY_NAME: Record<string, status | undefined> = status as unknown as Record<
  string,
  status | undefined
>;

/** The same mapping for errors of the addon, which carry the code's name in `code`. */
export function fromNativeError(error: unknown): Error {
  if (!(error instanceof Error)) {
    return new Error(String(error));
  }
  const code = (error as Error & { code?: unknown }).code;
  const number = typeof code === 'string' ? CODE_BY_NAME[code] : undefined;
  if (number === status.CANCELLED) {
    return new CancelledError(error.message);
  }
  if (number === status.UNAVAILABLE || number === status.DEADLINE_EXCEEDED) {
    return new UnavailableError(error.message);
  }
  const factory = typeof number === 'number' ? BY_CODE[number] : undefined;
  return factory ? factory(error.message, error) : error;
}
