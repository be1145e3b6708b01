import type { status } from '@grpc/grpc-js';

/** What a method of a test sidecar throws to answer with a status. */
export class TestStatus extends Error {
  constructor(
    readonly code: status,
    readonly details: string,
  ) {
    super(details);
  }
}
