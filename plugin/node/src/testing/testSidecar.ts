import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonObject } from '@backstage/types';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import type { PurserBlueprint, PurserResource } from '@purser/plugin-purser-common';
import { CatalogServiceService } from '../generated/purser/v1/catalog';
import { CostServiceService } from '../generated/purser/v1/costs';
import { ActionServiceService, ProviderServiceService } from '../generated/purser/v1/hosting';
import * as inventory from '../generated/purser/v1/inventory';
import { ProvisioningServiceService } from '../generated/purser/v1/provisioning';
import { MAX_MESSAGE_BYTES } from '../sidecar/channel';
import { HEALTH_CHECK_PATH } from '../sidecar/health';
import { TestCalls } from './testCalls';
import { TestCosts } from './testCosts';
import { type TestAction, TestHosting, type TestProvider } from './testHosting';
import { TestRequests } from './testRequests';
import { TestSources } from './testSources';

/** Mutual TLS of a test sidecar: texts in PEM. */
export interface TestTls {
  ca: string;
  certificate: string;
  key: string;
}

export interface TestSidecarOptions {
  /** Listen on a TCP port of this machine with mutual TLS instead of a unix socket. */
  tls?: TestTls;
  blueprints?: PurserBlueprint[];
  /** Blueprints whose requests wait for approval. */
  needsApproval?: string[];
  actions?: TestAction[];
  providers?: TestProvider[];
}

/**
 * A sidecar for tests: a real gRPC server on a unix socket that keeps the contract's promises
 * (idempotency keys, sequence numbers, states, pages) in memory. It can vanish and come back.
 */
export class TestSidecar {
  readonly folder = mkdtempSync(join(tmpdir(), 'purser-sidecar-'));
  /** With TLS only known after the start. */
  address = `unix:${join(this.folder, 'purserd.sock')}`;
  readonly calls = new TestCalls();
  readonly provisioning: TestRequests;
  readonly resources: PurserResource[] = [];
  readonly costs = new TestCosts(this.calls);
  readonly hosting: TestHosting;
  readonly catalog = new TestSources(this.calls);
  readonly #tls: TestTls | undefined;
  #server: Server | undefined;

  constructor(options: TestSidecarOptions = {}) {
    this.#tls = options.tls;
    this.provisioning = new TestRequests(
      this.calls,
      options.blueprints ?? [],
      options.needsApproval ?? [],
    );
    this.hosting = new TestHosting(this.calls, options.actions ?? [], options.providers ?? []);
  }

  static async start(options: TestSidecarOptions = {}): Promise<TestSidecar> {
    const sidecar = new TestSidecar(options);
    await sidecar.start();
    return sidecar;
  }

  /** The configuration a portal needs to reach it. */
  config(): JsonObject {
    return {
      purser: {
        sidecar: {
          address: this.address,
          // Until a busy test process comes to see that the connection is there.
          connectTimeout: { seconds: 5 },
          reconnectFor: { seconds: 60 },
        },
      },
    };
  }

  async start(): Promise<void> {
    const server = new Server({
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
    });
    this.#addServices(server);
    const tls = this.#tls;
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync(
        tls && this.address.startsWith('unix:') ? '127.0.0.1:0' : this.address,
        tls
          ? ServerCredentials.createSsl(
              Buffer.from(tls.ca),
              [{ private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.certificate) }],
              true,
            )
          : ServerCredentials.createInsecure(),
        (error, bound) => (error ? reject(error) : resolve(bound)),
      ),
    );
    if (tls) {
      this.address = `127.0.0.1:${port}`;
    }
    this.#server = server;
  }

  /** Vanishes as a killed process does: streams break, the socket is gone, the memory stays. */
  kill(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
    this.calls.wake();
  }

  /** The end: also removes the socket's folder. */
  stop(): void {
    this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #addServices(server: Server): void {
    server.addService(ProvisioningServiceService, this.provisioning.service());
    server.addService(inventory.InventoryServiceService, {
      listResources: this.calls.unary('ListResources', ({ entityRef }) => ({
        resources: this.resources
          .filter(resource => resource.entityRef === entityRef)
          .map(({ attributes, ...resource }) => ({
            ...resource,
            attributesJson: JSON.stringify(attributes),
          })),
        nextPageToken: '',
      })),
      streamEntities: this.calls.streaming('StreamEntities', async () => undefined),
    } satisfies inventory.InventoryServiceServer);
    server.addService(CostServiceService, this.costs.service());
    server.addService(ActionServiceService, this.hosting.actionService());
    server.addService(ProviderServiceService, this.hosting.providerService());
    server.addService(CatalogServiceService, this.catalog.service());
    server.addService(
      {
        check: {
          path: HEALTH_CHECK_PATH,
          requestStream: false,
          responseStream: false,
          requestSerialize: (value: Buffer) => value,
          requestDeserialize: (value: Buffer) => value,
          responseSerialize: (value: Buffer) => value,
          responseDeserialize: (value: Buffer) => value,
        },
      },
      // HealthCheckResponse { status: SERVING }
      { check: this.calls.unary<Buffer, Buffer>('Check', () => Buffer.from([8, 1])) },
    );
  }
}

export { status as grpcStatus };
