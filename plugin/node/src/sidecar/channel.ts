import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CallOptions,
  ChannelCredentials,
  type Client,
  type ClientOptions,
  type ClientReadableStream,
  type ClientUnaryCall,
  Metadata,
  status,
  type ServiceError,
} from '@grpc/grpc-js';
import type { SidecarConfig } from '../config';
import { CancelledError, isUnavailable, toBackstageError, UnavailableError } from '../errors';
import { CatalogServiceClient } from '../generated/purser/v1/catalog';
import { CostServiceClient } from '../generated/purser/v1/costs';
import { ActionServiceClient, ProviderServiceClient } from '../generated/purser/v1/hosting';
import { InventoryServiceClient } from '../generated/purser/v1/inventory';
import { ProvisioningServiceClient } from '../generated/purser/v1/provisioning';
import { HealthClient } from './health';
import { traceMetadata } from './trace';

/** Bytes of one message in either direction; the contract's limit. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

const MAX_ATTEMPTS = 4;
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 2_000;
// Why a connection failed is known at once; this only bounds the question.
const REASON_DEADLINE_MS = 1_000;
// Below connectTimeout, so that a call finds a sidecar that has just come back.
const MAX_RECONNECT_MS = 500;

/** Calls of one kind that may be repeated, and until when. */
export interface UnaryOptions {
  /** True when a repeat does no harm; only then is a call made again. */
  idempotent: boolean;
  signal?: AbortSignal;
  /** Milliseconds; the configured one when absent. */
  deadline?: number;
}

type UnaryMethod<TRequest, TResponse> = (
  request: TRequest,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: TResponse) => void,
) => ClientUnaryCall;

type StreamMethod<TRequest, TResponse> = (
  request: TRequest,
  metadata: Metadata,
  options: Partial<CallOptions>,
) => ClientReadableStream<TResponse>;

function credentialsOf(config: SidecarConfig): ChannelCredentials {
  return config.tls
    ? ChannelCredentials.createSsl(config.tls.ca, config.tls.key, config.tls.certificate)
    : ChannelCredentials.createInsecure();
}

/** Full jitter, so that many callers do not come back in step. */
export function backoff(attempt: number): number {
  return Math.random() * Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** attempt);
}

/** Sleeps; ends at once, without an error, when the signal fires. */
export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
}

/**
 * One connection to the sidecar with the retries of its calls. Nothing is opened before the first
 * call; grpc-js reconnects by itself.
 */
export class SidecarChannel {
  readonly provisioning: ProvisioningServiceClient;
  readonly inventory: InventoryServiceClient;
  readonly costs: CostServiceClient;
  readonly actions: ActionServiceClient;
  readonly providers: ProviderServiceClient;
  readonly catalog: CatalogServiceClient;
  readonly health: HealthClient;
  readonly #channel: ReturnType<Client['getChannel']>;

  constructor(readonly config: SidecarConfig) {
    const credentials = credentialsOf(config);
    const options: Partial<ClientOptions> = {
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': MAX_RECONNECT_MS,
      // Retries are decided here, by what a call does, not by the transport.
      'grpc.enable_retries': 0,
      ...(config.tls?.serverName ? { 'grpc.ssl_target_name_override': config.tls.serverName } : {}),
    };
    this.provisioning = new ProvisioningServiceClient(config.address, credentials, options);
    this.#channel = this.provisioning.getChannel();
    const shared = { ...options, channelOverride: this.#channel };
    this.inventory = new InventoryServiceClient(config.address, credentials, shared);
    this.costs = new CostServiceClient(config.address, credentials, shared);
    this.actions = new ActionServiceClient(config.address, credentials, shared);
    this.providers = new ProviderServiceClient(config.address, credentials, shared);
    this.catalog = new CatalogServiceClient(config.address, credentials, shared);
    this.health = new HealthClient(config.address, credentials, shared);
  }

  close(): void {
    this.#channel.close();
  }

  /** Waits for the connection, at most `connectTimeout`. */
  async #connected(): Promise<void> {
    const failure = await new Promise<Error | undefined>(resolve =>
      this.provisioning.waitForReady(Date.now() + this.config.connectTimeout, resolve),
    );
    if (failure) {
      const { address } = this.config;
      const reason = await this.#whyNotConnected();
      throw new UnavailableError(
        `the purser sidecar at ${address} cannot be reached; is purserd running?${reason}`,
      );
    }
  }

  /** What a call ends with that does not wait for the connection: a refused certificate, no such host. */
  async #whyNotConnected(): Promise<string> {
    const deadline = Date.now() + REASON_DEADLINE_MS;
    return new Promise(resolve =>
      this.health.check('', new Metadata(), { deadline }, error =>
        resolve(error?.code === status.UNAVAILABLE ? ` (${error.details})` : ''),
      ),
    );
  }

  async #once<TRequest, TResponse>(
    method: UnaryMethod<TRequest, TResponse>,
    request: TRequest,
    deadline: number,
    signal?: AbortSignal,
  ): Promise<TResponse> {
    if (signal?.aborted) {
      throw new CancelledError('the call was cancelled before it was made');
    }
    let onAbort: (() => void) | undefined;
    try {
      return await new Promise<TResponse>((resolve, reject) => {
        const call = method(request, traceMetadata(), { deadline }, (error, response) =>
          error ? reject(toBackstageError(error)) : resolve(response),
        );
        onAbort = () => call.cancel();
        signal?.addEventListener('abort', onAbort, { once: true });
      });
    } finally {
      if (onAbort) {
        signal?.removeEventListener('abort', onAbort);
      }
    }
  }

  /** One call with one answer. Throws Backstage's errors. */
  async unary<TRequest, TResponse>(
    method: UnaryMethod<TRequest, TResponse>,
    request: TRequest,
    options: UnaryOptions,
  ): Promise<TResponse> {
    const deadline = Date.now() + (options.deadline ?? this.config.deadline);
    for (let attempt = 0; ; attempt++) {
      // Waits long enough by itself: when this fails, another try has nothing to offer.
      await this.#connected();
      try {
        return await this.#once(method, request, deadline, options.signal);
      } catch (error) {
        const wait = backoff(attempt);
        if (
          !options.idempotent ||
          !isUnavailable(error) ||
          attempt + 1 >= MAX_ATTEMPTS ||
          Date.now() + wait >= deadline ||
          options.signal?.aborted
        ) {
          throw error;
        }
        await pause(wait, options.signal);
      }
    }
  }

  /** One call with a stream of answers; ends the call when the consumer stops. */
  async *stream<TRequest, TResponse>(
    method: StreamMethod<TRequest, TResponse>,
    request: TRequest,
    signal?: AbortSignal,
  ): AsyncGenerator<TResponse, void, undefined> {
    await this.#connected();
    if (signal?.aborted) {
      throw new CancelledError('the call was cancelled before it was made');
    }
    const call = method(request, traceMetadata(), {});
    // After cancel() grpc-js still emits CANCELLED; without a listener it would end the process.
    call.on('error', () => undefined);
    const onAbort = () => call.cancel();
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      for await (const message of call) {
        yield message as TResponse;
      }
    } catch (error) {
      const failure = error as ServiceError;
      if (signal?.aborted) {
        throw new CancelledError('the call was cancelled');
      }
      throw typeof failure.code === 'number' && failure.code in status
        ? toBackstageError(failure)
        : error;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      call.cancel();
    }
  }
}
