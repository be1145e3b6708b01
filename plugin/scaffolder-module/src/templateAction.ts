import type { LoggerService } from '@backstage/backend-plugin-api';
import type { ActionContext, TemplateAction } from '@backstage/plugin-scaffolder-node';
import type { JsonObject, JsonValue } from '@backstage/types';
import {
  type ActionDescription,
  isCancelled,
  type LogLevel,
  type PortalFunction,
  type PurserService,
} from '@purser/plugin-purser-node';
import { idempotencyKey, inputHash } from './hash';
import { LogBatcher } from './logBatcher';
import type { ActionRun } from './metrics';
import { createRedactor, redactJson } from './redact';
import { publicSchema, refuseReserved } from './reservedInputs';
import { runOnSidecar } from './sidecarRun';

/** The context of any Purser action. */
export type PurserActionContext = ActionContext<JsonObject, JsonObject>;

/** What an action gets besides what the template says. */
export interface PreparedInput {
  input: JsonObject;
  /** Secrets by name, for the action and for nobody's log. */
  secrets?: Record<string, string>;
  /** What a portal action may call back, by name. */
  functions?: Record<string, PortalFunction>;
}

/** What only TypeScript can do for one action: reading through Backstage's services, permissions. */
export interface ActionAdapter {
  /** Throws when who started the task may not do this. */
  authorize?(ctx: PurserActionContext): Promise<void>;
  prepare?(ctx: PurserActionContext): Promise<PreparedInput>;
  /**
   * Keep the outputs in the task's state, so that a recovered task does not run it again. Wrong for
   * actions whose result is the workspace.
   */
  checkpoint: boolean;
}

export interface TemplateActionDeps {
  purser: PurserService;
  adapters: Record<string, ActionAdapter | undefined>;
  /** Milliseconds, see `SidecarRunOptions.retryFor`. */
  retryFor: number;
  /** Told of each run. */
  onRun?(run: ActionRun): void;
}

function logTo(logger: LoggerService, redact: (text: string) => string) {
  return (level: LogLevel, text: string) => logger[level](redact(text));
}

function withoutSecrets(error: unknown, redact: (text: string) => string): unknown {
  if (!(error instanceof Error) || redact(error.message) === error.message) {
    return error;
  }
  const clean = new Error(redact(error.message));
  clean.name = error.name;
  return clean;
}

function outputsOf(result: JsonValue | void): JsonObject {
  const outputs =
    typeof result === 'object' && result !== null && !Array.isArray(result) ? result.outputs : {};
  return typeof outputs === 'object' && outputs !== null && !Array.isArray(outputs) ? outputs : {};
}

/**
 * Native JSON sorts the members of objects; an action that writes values in their order has the input
 * as text, too.
 */
function withText({ schema }: ActionDescription, input: JsonObject): JsonObject {
  const { patternProperties } = schema.input;
  const wanted =
    typeof patternProperties === 'object' &&
    patternProperties !== null &&
    '^inputText$' in patternProperties;
  return wanted ? { ...input, inputText: JSON.stringify(input) } : input;
}

async function handle(
  description: ActionDescription,
  deps: TemplateActionDeps,
  ctx: PurserActionContext,
): Promise<void> {
  const { id, host } = description;
  const adapter = deps.adapters[id] ?? { checkpoint: host === 'sidecar' };
  refuseReserved(description.schema.input, ctx.input);
  await adapter.authorize?.(ctx);

  const taskSecrets: Record<string, string> = { ...ctx.secrets };
  const hash = inputHash(ctx.input, createRedactor(Object.values(taskSecrets)));
  const stepId = ctx.step?.id ?? ctx.step?.name ?? id;
  const key = idempotencyKey(ctx.task.id, stepId, hash);
  const dryRun = ctx.isDryRun ?? false;

  /** Outputs of an action that is no checkpoint, kept before it writes: see kept_outputs.h. */
  const memory = (redact: (text: string) => string): Record<string, PortalFunction> =>
    adapter.checkpoint || dryRun
      ? {}
      : {
          'keep-outputs': async outputs => {
            const kept = await ctx.checkpoint({
              key: `${id}/${hash}/outputs`,
              fn: async () => redactJson(outputs, redact),
            });
            return JSON.stringify(kept);
          },
        };

  const run = async (): Promise<{ outputs: JsonObject }> => {
    const started = performance.now();
    const outputs: JsonObject = {};
    const told = (result: ActionRun['result']) =>
      deps.onRun?.({
        action: id,
        result,
        seconds: (performance.now() - started) / 1000,
        outputs: result === 'ok' ? outputs : {},
      });
    let prepared: PreparedInput;
    try {
      prepared = (await adapter.prepare?.(ctx)) ?? { input: withText(description, ctx.input) };
    } catch (error) {
      const { token } = ctx.input;
      const given = typeof token === 'string' ? [token] : [];
      throw withoutSecrets(error, createRedactor([...Object.values(taskSecrets), ...given]));
    }
    const secrets = { ...taskSecrets, ...prepared.secrets };
    const redact = createRedactor(Object.values(secrets));
    const onLog = logTo(ctx.logger, redact);
    const onOutput = (name: string, value: JsonValue) => {
      outputs[name] = redactJson(value, redact);
    };
    try {
      if (host === 'portal') {
        await deps.purser.addon.runAction(
          {
            id,
            input: prepared.input,
            workspace: ctx.workspacePath,
            secrets,
            idempotencyKey: key,
            user: ctx.user?.ref,
            dryRun,
            onLog,
            onOutput,
            functions: { ...prepared.functions, ...memory(redact) },
          },
          { signal: ctx.signal },
        );
      } else {
        const batcher = new LogBatcher(onLog);
        try {
          await runOnSidecar(deps.purser.sidecar, {
            id,
            input: prepared.input,
            idempotencyKey: key,
            user: ctx.user?.ref,
            dryRun,
            onLog: (level, text) => batcher.add(level, text),
            onOutput,
            signal: ctx.signal,
            retryFor: deps.retryFor,
          });
        } finally {
          batcher.flush();
        }
      }
    } catch (error) {
      told(isCancelled(error) ? 'cancelled' : 'failed');
      throw withoutSecrets(error, redact);
    }
    told('ok');
    return { outputs };
  };

  // The runner shares checkpoints between the iterations of an `each` step, so the key names the
  // input; and it turns null into {}, so the value is always an object.
  const outputs =
    adapter.checkpoint && !dryRun
      ? outputsOf(await ctx.checkpoint({ key: `${id}/${hash}`, fn: run }))
      : (await run()).outputs;
  for (const [name, value] of Object.entries(outputs)) {
    ctx.output(name, value);
  }
}

/** Makes Backstage's action from a host's description. */
export function toTemplateAction(
  description: ActionDescription,
  deps: TemplateActionDeps,
): TemplateAction<JsonObject, JsonObject> {
  return {
    id: description.id,
    description: description.description,
    examples: description.examples,
    supportsDryRun: description.supportsDryRun,
    schema: publicSchema(description.schema),
    handler: ctx => handle(description, deps, ctx),
  };
}
