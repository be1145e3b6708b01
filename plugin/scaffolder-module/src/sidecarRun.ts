import type { JsonObject, JsonValue } from '@backstage/types';
import {
  backoff,
  CancelledError,
  isUnavailable,
  type LogLevel,
  pause,
  type SidecarClient,
} from '@purser/plugin-purser-node';

/** What one run on the sidecar needs. */
export interface SidecarRunOptions {
  id: string;
  input: JsonObject;
  idempotencyKey: string;
  user?: string;
  dryRun: boolean;
  /** The task's: somebody cancelled it. */
  signal?: AbortSignal;
  /** Milliseconds without any sign of the sidecar before the step fails. */
  retryFor: number;
  onLog(level: LogLevel, text: string): void;
  onOutput(name: string, value: JsonValue): void;
}

/** How long a cancelled action may take to end before its stream is closed. */
const CANCEL_GRACE_MS = 10_000;

async function tellCancelled(sidecar: SidecarClient, options: SidecarRunOptions): Promise<void> {
  try {
    const told = await sidecar.cancelAction({
      idempotencyKey: options.idempotencyKey,
      actor: options.user ?? '',
    });
    if (told === 0) {
      options.onLog('warn', `${options.id}: nothing was running any more when it was cancelled`);
    }
  } catch (error) {
    options.onLog(
      'warn',
      `${options.id}: the purser sidecar could not be told of the cancellation, durable work goes on: ${(error as Error).message}`,
    );
  }
}

function refuseIfAborted(signal: AbortSignal | undefined, id: string): void {
  if (signal?.aborted) {
    throw new CancelledError(`${id}: the task was cancelled`);
  }
}

const away = (error: unknown, retryFor: number) =>
  `${(error as Error).message}; trying again for ${Math.round(retryFor / 6_000) / 10} minutes with the same key, nothing is done twice`;

/** Calls again while the sidecar is away, for at most `retryFor` milliseconds. */
export async function whenAvailable<T>(
  call: () => Promise<T>,
  { retryFor, signal, onLog }: Pick<SidecarRunOptions, 'retryFor' | 'signal' | 'onLog'>,
): Promise<T> {
  const began = Date.now();
  for (let attempt = 0; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (!isUnavailable(error) || Date.now() - began > retryFor || signal?.aborted) {
        throw error;
      }
      if (attempt === 0) {
        onLog('warn', away(error, retryFor));
      }
      await pause(backoff(attempt), signal);
    }
  }
}

/**
 * Runs an action on the sidecar. A vanished sidecar does not fail the step: the call is repeated with
 * the same key, and the sidecar attaches it to the work that went on meanwhile.
 */
export async function runOnSidecar(
  sidecar: SidecarClient,
  options: SidecarRunOptions,
): Promise<void> {
  const { id, signal } = options;
  const onLog = options.onLog.bind(options);
  const stream = new AbortController();
  let grace: NodeJS.Timeout | undefined;
  const onAbort = () => {
    grace = setTimeout(() => stream.abort(), CANCEL_GRACE_MS);
    void tellCancelled(sidecar, options);
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    let lastSign = Date.now();
    let isAway = false;
    for (let attempt = 0; ; attempt++) {
      refuseIfAborted(signal, id);
      try {
        const messages = sidecar.runAction(
          {
            id,
            input: options.input,
            idempotencyKey: options.idempotencyKey,
            user: options.user,
            dryRun: options.dryRun,
          },
          { signal: stream.signal },
        );
        for await (const message of messages) {
          if (isAway) {
            onLog('info', `${id}: the purser sidecar is back, attached again`);
            isAway = false;
          }
          attempt = 0;
          lastSign = Date.now();
          if (message.type === 'log') {
            onLog(message.level, message.text);
          } else {
            options.onOutput(message.name, message.value);
          }
        }
        return;
      } catch (error) {
        refuseIfAborted(signal, id);
        const waited = Date.now() - lastSign;
        if (!isUnavailable(error) || waited > options.retryFor) {
          throw error;
        }
        if (!isAway) {
          isAway = true;
          onLog('warn', `${id}: ${away(error, options.retryFor)}`);
        }
        await pause(backoff(attempt), signal);
      }
    }
  } finally {
    clearTimeout(grace);
    signal?.removeEventListener('abort', onAbort);
  }
}
