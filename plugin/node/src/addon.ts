import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ServiceUnavailableError } from '@backstage/errors';
import type { JsonObject, JsonValue } from '@backstage/types';
import { fromNativeError } from './errors';
import { type FetchAnswer, nativeFetch, type PullBody } from './nativeFetch';
import { fetchWithFunctions } from './portalFunctions';
import type {
  ActionDescription,
  CallOptions,
  LogLevel,
  NativeAddonService,
  NativeRefreshOptions,
  NativeRunActionOptions,
  ProviderDescription,
  RefreshSummary,
} from './types';

/** The addon's surface: values cross as JSON texts. */
export interface NativeBinding {
  version(): string;
  shutdown(): void;
  listActions(): string;
  runAction(
    id: string,
    requestJson: string,
    callbacks: {
      log(level: LogLevel, text: string): void;
      output(name: string, valueJson: string): void;
      fetch(
        requestJson: string,
        body?: Buffer | PullBody,
        signal?: AbortSignal,
      ): Promise<FetchAnswer>;
    },
    signal?: AbortSignal,
  ): Promise<void>;
  listProviders(): string;
  refreshProvider(
    id: string,
    requestJson: string,
    callbacks: {
      log(level: LogLevel, text: string): void;
      chunk(upsertsJson: string, removedRefsJson: string): Promise<void>;
      fetch(
        requestJson: string,
        body?: Buffer | PullBody,
        signal?: AbortSignal,
      ): Promise<FetchAnswer>;
    },
    signal?: AbortSignal,
  ): Promise<string>;
}

interface Candidate {
  path: string;
  /** Somebody asked for exactly this file: nothing else will do. */
  explicit?: boolean;
}

const FILE = 'purser.node';

function candidates(env: NodeJS.ProcessEnv): Candidate[] {
  if (env.PURSER_NATIVE) {
    return [{ path: resolve(env.PURSER_NATIVE), explicit: true }];
  }
  const found: Candidate[] = [];
  const name = `@purser/native-${process.platform}-${process.arch}`;
  try {
    found.push({ path: require.resolve(`${name}/${FILE}`) });
  } catch {
    // No package for this platform; a checkout has a build folder instead.
  }
  const checkout = join(__dirname, '..', '..', '..', 'build');
  for (const preset of ['release', 'debug']) {
    found.push({ path: join(checkout, preset, 'bin', FILE) });
  }
  return found;
}

/** Loads the addon: `PURSER_NATIVE`, the platform's package, the checkout's build folder. */
export function loadBinding(env: NodeJS.ProcessEnv = process.env): {
  binding: NativeBinding;
  path: string;
} {
  const tried: string[] = [];
  for (const candidate of candidates(env)) {
    if (!existsSync(candidate.path)) {
      tried.push(`${candidate.path}: no such file`);
      continue;
    }
    try {
      return { binding: require(candidate.path) as NativeBinding, path: candidate.path };
    } catch (error) {
      tried.push(`${candidate.path}: ${(error as Error).message}`);
    }
  }
  const platform = `${process.platform}-${process.arch}`;
  throw new ServiceUnavailableError(
    `the native addon of purser is not there for ${platform}; install @purser/native-${platform}, ` +
      `build it (npm run build) or set PURSER_NATIVE. Tried: ${tried.join('; ')}`,
  );
}

/** Hands calls to the addon, which it loads at the first one. */
export class LazyNativeAddon implements NativeAddonService {
  readonly #load: typeof loadBinding;
  #loaded: { binding: NativeBinding; path: string } | undefined;
  #failure: Error | undefined;

  constructor(load: typeof loadBinding = loadBinding) {
    this.#load = load;
  }

  #binding(): NativeBinding {
    if (this.#failure) {
      throw this.#failure;
    }
    try {
      this.#loaded ??= this.#load();
    } catch (error) {
      // A file that could not be loaded once is not tried again in this process.
      this.#failure = error as Error;
      throw error;
    }
    return this.#loaded.binding;
  }

  close(): void {
    this.#loaded?.binding.shutdown();
  }

  status() {
    try {
      return { loaded: true, version: this.#binding().version(), path: this.#loaded?.path };
    } catch (error) {
      return { loaded: false, message: (error as Error).message };
    }
  }

  listActions(): ActionDescription[] {
    return JSON.parse(this.#binding().listActions()) as ActionDescription[];
  }

  listProviders(): ProviderDescription[] {
    return JSON.parse(this.#binding().listProviders()) as ProviderDescription[];
  }

  async runAction(options: NativeRunActionOptions, call?: CallOptions): Promise<void> {
    try {
      await this.#binding().runAction(
        options.id,
        JSON.stringify({
          input: options.input,
          workspace: options.workspace,
          secrets: options.secrets,
          idempotencyKey: options.idempotencyKey,
          user: options.user ?? '',
          dryRun: options.dryRun ?? false,
        }),
        {
          log: (level, text) => options.onLog(level, text),
          output: (name, valueJson) => options.onOutput(name, JSON.parse(valueJson) as JsonValue),
          fetch: fetchWithFunctions(options.functions),
        },
        call?.signal,
      );
    } catch (error) {
      throw fromNativeError(error);
    }
  }

  async refreshProvider(
    options: NativeRefreshOptions,
    call?: CallOptions,
  ): Promise<RefreshSummary> {
    try {
      const summary = await this.#binding().refreshProvider(
        options.id,
        JSON.stringify({
          config: options.config,
          instance: options.instance,
          statePath: options.statePath,
          forceFull: options.forceFull ?? false,
          options: options.options ?? {},
          adopt: options.adopt ?? [],
          confirm: options.confirm ?? false,
        }),
        {
          log: (level, text) => options.onLog(level, text),
          chunk: (upsertsJson, removedRefsJson) =>
            options.onChunk(
              JSON.parse(upsertsJson) as JsonObject[],
              JSON.parse(removedRefsJson) as string[],
            ),
          fetch: nativeFetch,
        },
        call?.signal,
      );
      return JSON.parse(summary) as RefreshSummary;
    } catch (error) {
      throw fromNativeError(error);
    }
  }
}
