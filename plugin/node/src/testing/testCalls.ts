import {
  type Metadata,
  type sendUnaryData,
  type ServerUnaryCall,
  type ServerWritableStream,
  status,
} from '@grpc/grpc-js';
import { TestStatus } from './testStatus';

export type TestStream<Q, S> = ServerWritableStream<Q, S>;

export const fail = (code: status, details: string): never => {
  throw new TestStatus(code, details);
};

/** How the services of a test sidecar are called: what it notes of each call, and how it fails one. */
export class TestCalls {
  /** Names of the methods called, in order. */
  readonly names: string[] = [];
  /** Metadata of those calls. */
  readonly metadata: Metadata[] = [];
  readonly #wakers = new Set<() => void>();
  #failures: TestStatus[] = [];

  /** The next calls end with these, one each. */
  failNext(...failures: TestStatus[]): void {
    this.#failures.push(...failures);
  }

  /** Streams that follow look again. */
  wake(): void {
    for (const waker of [...this.#wakers]) {
      waker();
    }
  }

  /** Resolves at the next wake, or when the call is over. */
  async changed(cancelled: AbortSignal): Promise<void> {
    await new Promise<void>(resolve => {
      const done = () => {
        this.#wakers.delete(done);
        cancelled.removeEventListener('abort', done);
        resolve();
      };
      this.#wakers.add(done);
      cancelled.addEventListener('abort', done, { once: true });
    });
  }

  unary<Q, S>(name: string, handler: (request: Q) => S) {
    return (call: ServerUnaryCall<Q, S>, callback: sendUnaryData<S>) => {
      try {
        this.#begin(name, call.metadata);
        callback(null, handler(call.request));
      } catch (error) {
        callback(statusOf(error));
      }
    };
  }

  streaming<Q, S>(
    name: string,
    handler: (call: TestStream<Q, S>, gone: AbortSignal) => Promise<void>,
  ) {
    return (call: TestStream<Q, S>) => {
      const gone = new AbortController();
      call.on('cancelled', () => gone.abort());
      const run = async () => {
        this.#begin(name, call.metadata);
        await handler(call, gone.signal);
      };
      run().then(
        () => call.end(),
        error => call.emit('error', statusOf(error)),
      );
    };
  }

  #begin(name: string, metadata: Metadata): void {
    this.names.push(name);
    this.metadata.push(metadata);
    const failure = this.#failures.shift();
    if (failure) {
      throw failure;
    }
  }
}

function statusOf(error: unknown): { code: status; details: string } {
  return error instanceof TestStatus
    ? { code: error.code, details: error.details }
    : { code: status.INTERNAL, details: String(error) };
}
