import { Metadata } from '@grpc/grpc-js';
import { isSpanContextValid, trace } from '@opentelemetry/api';

/**
 * Metadata of a call with W3C's `traceparent` and `tracestate`, so that the sidecar's work is seen as
 * part of the portal's. Empty when the portal records no trace. Written here, not by OpenTelemetry's
 * propagator: that is chosen by the portal and need not be W3C's, which is what the sidecar reads.
 */
export function traceMetadata(): Metadata {
  const metadata = new Metadata();
  const span = trace.getActiveSpan()?.spanContext();
  if (span && isSpanContextValid(span)) {
    const flags = (span.traceFlags & 0xff).toString(16).padStart(2, '0');
    metadata.set('traceparent', `00-${span.traceId}-${span.spanId}-${flags}`);
    const state = span.traceState?.serialize();
    if (state) {
      metadata.set('tracestate', state);
    }
  }
  return metadata;
}
