import type { JsonObject } from '@backstage/types';
import { status } from '@grpc/grpc-js';
import * as hosting from '../generated/purser/v1/hosting';
import type { ActionDescription, ActionMessage, ProviderDescription } from '../types';
import { fail, type TestCalls, type TestStream } from './testCalls';

/** What a test action sees. */
export interface TestActionContext {
  input: JsonObject;
  idempotencyKey: string;
  user: string;
  dryRun: boolean;
  /** Fires on CancelAction, not when the portal's stream breaks. */
  cancelled: AbortSignal;
}

export interface TestAction {
  description: ActionDescription;
  run(context: TestActionContext): AsyncIterable<ActionMessage>;
}

/** One entry of a test provider's change log. */
export interface TestDelta {
  upserts: JsonObject[];
  removedRefs: string[];
}

export interface TestProvider {
  description: ProviderDescription;
  log: TestDelta[];
}

/** Actions and providers that a test sidecar hosts. */
export class TestHosting {
  /** What RefreshProvider was asked. */
  readonly refreshes: hosting.RefreshProviderRequest[] = [];
  readonly #calls: TestCalls;
  readonly #actions: TestAction[];
  readonly #providers: TestProvider[];
  readonly #cancels = new Map<string, AbortController>();
  #epoch = 'e';

  constructor(calls: TestCalls, actions: TestAction[], providers: TestProvider[]) {
    this.#calls = calls;
    this.#actions = actions;
    this.#providers = providers;
  }

  /** Loses the change log of a provider, as a sidecar does whose store is gone. */
  loseLog(providerId: string, log: TestDelta[]): void {
    this.#provider(providerId).log = log;
    this.#epoch += 'x';
  }

  /** Appends to a provider's change log. */
  publish(providerId: string, delta: TestDelta): void {
    this.#provider(providerId).log.push(delta);
    this.#calls.wake();
  }

  actionService(): hosting.ActionServiceServer {
    return {
      listActions: this.#calls.unary('ListActions', () => ({
        actionsJson: this.#actions.map(({ description }) => JSON.stringify(description)),
      })),
      runAction: this.#calls.streaming('RunAction', (call, gone) => this.#runAction(call, gone)),
      cancelAction: this.#calls.unary('CancelAction', ({ idempotencyKey }) => {
        const running = this.#cancels.get(idempotencyKey);
        running?.abort();
        return { cancelled: running ? 1 : 0 };
      }),
    };
  }

  providerService(): hosting.ProviderServiceServer {
    return {
      listProviders: this.#calls.unary('ListProviders', () => ({
        providersJson: this.#providers.map(({ description }) => JSON.stringify(description)),
      })),
      refreshProvider: this.#calls.streaming('RefreshProvider', (call, gone) =>
        this.#refresh(call, gone),
      ),
    };
  }

  #provider(id: string): TestProvider {
    return (
      this.#providers.find(({ description }) => description.id === id) ??
      fail(status.NOT_FOUND, `provider ${id} is unknown`)
    );
  }

  async #runAction(
    call: TestStream<hosting.RunActionRequest, hosting.RunActionResponse>,
    gone: AbortSignal,
  ): Promise<void> {
    const { id, inputJson, idempotencyKey, user, dryRun } = call.request;
    const action =
      this.#actions.find(({ description }) => description.id === id) ??
      fail(status.NOT_FOUND, `action ${id} is unknown`);
    const cancel = new AbortController();
    this.#cancels.set(idempotencyKey, cancel);
    const input = JSON.parse(inputJson) as JsonObject;
    for await (const message of action.run({
      input,
      idempotencyKey,
      user,
      dryRun,
      cancelled: cancel.signal,
    })) {
      if (gone.aborted) {
        return;
      }
      call.write({
        message:
          message.type === 'log'
            ? { $case: 'log', value: { level: message.level, text: message.text } }
            : {
                $case: 'output',
                value: { name: message.name, valueJson: JSON.stringify(message.value) },
              },
      });
    }
    call.write({ message: { $case: 'done', value: {} } });
  }

  async #refresh(
    call: TestStream<hosting.RefreshProviderRequest, hosting.RefreshProviderResponse>,
    gone: AbortSignal,
  ): Promise<void> {
    const provider = this.#provider(call.request.id);
    this.refreshes.push(call.request);
    const [epoch, number] = call.request.position.split('/');
    let full = epoch !== this.#epoch;
    let position = full ? 0 : Number(number);
    const start = position;
    for (;;) {
      const deltas = provider.log.slice(position);
      deltas.forEach((delta, index) => {
        position++;
        const fullEnd = full && index === deltas.length - 1;
        call.write({
          message: {
            $case: 'delta',
            value: {
              upsertsJson: JSON.stringify(delta.upserts),
              removedRefs: delta.removedRefs,
              position: `${this.#epoch}/${position}${full && !fullEnd ? '/full' : ''}`,
              full,
              fullEnd,
            },
          },
        });
      });
      full &&= deltas.length === 0;
      if (!call.request.follow || gone.aborted) {
        break;
      }
      await this.#calls.changed(gone);
    }
    call.write({
      message: {
        $case: 'summary',
        value: {
          read: BigInt(position - start),
          added: BigInt(position - start),
          changed: 0n,
          removed: 0n,
          heldRemovals: 0n,
          dropped: 0n,
        },
      },
    });
  }
}
