import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import {
  type CallOptions,
  type ChannelCredentials,
  Client,
  type ClientOptions,
  type ClientUnaryCall,
  type Metadata,
  type ServiceError,
} from '@grpc/grpc-js';

/** Path of grpc.health.v1.Health/Check, the method every gRPC server may have. */
export const HEALTH_CHECK_PATH = '/grpc.health.v1.Health/Check';

const SERVING = 1;

/** HealthCheckRequest { string service = 1; } */
export function encodeHealthRequest(service: string): Buffer {
  const writer = new BinaryWriter();
  if (service) {
    writer.uint32(10).string(service);
  }
  return Buffer.from(writer.finish());
}

/** HealthCheckResponse { ServingStatus status = 1; } */
export function decodeHealthResponse(bytes: Uint8Array): boolean {
  const reader = new BinaryReader(bytes);
  let serving = false;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 8) {
      serving = reader.int32() === SERVING;
    } else {
      reader.skip(tag & 7);
    }
  }
  return serving;
}

/** The standard health service; its two messages are too small to generate code for. */
export class HealthClient extends Client {
  constructor(address: string, credentials: ChannelCredentials, options?: Partial<ClientOptions>) {
    super(address, credentials, options);
  }

  check(
    service: string,
    metadata: Metadata,
    options: Partial<CallOptions>,
    callback: (error: ServiceError | null, serving: boolean) => void,
  ): ClientUnaryCall {
    return this.makeUnaryRequest<string, boolean>(
      HEALTH_CHECK_PATH,
      encodeHealthRequest,
      decodeHealthResponse,
      service,
      metadata,
      options,
      (error, serving) => callback(error, serving ?? false),
    );
  }
}
