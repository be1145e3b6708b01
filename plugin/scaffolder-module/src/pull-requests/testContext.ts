import type { ActionContext } from '@backstage/plugin-scaffolder-node';
import type { JsonObject, JsonValue } from '@backstage/types';

/** A context of the scaffolder for tests, with what the action said. */
export function testContext(input: JsonObject, extra: Partial<ActionContext<JsonObject>> = {}) {
  const outputs: Record<string, JsonValue> = {};
  const lines: string[] = [];
  const checkpoints = new Map<string, JsonValue>();
  const log = (level: string) => (text: string) => void lines.push(`${level} ${text}`);
  const ctx = {
    input,
    logger: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
    secrets: {},
    output: (name: string, value: JsonValue) => {
      outputs[name] = value;
    },
    async checkpoint({ key, fn }: { key: string; fn(): Promise<JsonValue> }) {
      const value = checkpoints.get(key) ?? (await fn());
      checkpoints.set(key, value);
      return value;
    },
    ...extra,
  } as unknown as ActionContext<JsonObject, JsonObject>;
  return { ctx, outputs, lines, checkpoints };
}
