import { createHash } from 'node:crypto';
import type { PurserBlueprint } from '@purser/plugin-purser-common';

/** Resolves when `condition` holds; looks again after every macrotask for at most `timeout` ms. */
export async function until(condition: () => boolean, timeout = 10_000): Promise<void> {
  const end = Date.now() + timeout;
  while (!condition()) {
    if (Date.now() > end) {
      throw new Error(`did not happen within ${timeout} ms: ${condition}`);
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
