import { createHash } from 'node:crypto';
import type { PurserBlueprint } from '@purser/plugin-purser-common';

/** Enough for a machine that is busy with other things; only a test that fails takes so long. */
const PATIENCE_MS = 60_000;

/** Resolves when `condition` holds; throws when it does not come true. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!(await condition())) {
    if (Date.now() > end) {
      throw new Error(`did not happen within ${PATIENCE_MS} ms: ${condition}`);
    }
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

/** SHA-256 in hexadecimal, as blueprints carry it. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** A blueprint for tests: one required parameter `name`. */
export function testBlueprint(name: string, overrides: Partial<PurserBlueprint> = {}) {
  return {
    name,
    title: `The ${name}`,
    description: `Makes a ${name}.`,
    hash: sha256(name),
    parametersSchema: {
      type: 'object',
      required: ['name'],
      properties: { name: { type: 'string' }, owner: { type: 'string' } },
    },
    stepIds: ['first', 'second'],
    ...overrides,
  } satisfies PurserBlueprint;
}
