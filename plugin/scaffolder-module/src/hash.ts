import { createHash } from 'node:crypto';
import type { JsonObject, JsonValue } from '@backstage/types';

/** Hexadecimal digits of an input's hash in keys: 64 bits are plenty within one step. */
const HASH_LENGTH = 16;
/** Bytes of an idempotency key; the contract's limit. */
const MAX_KEY_BYTES = 200;

/** JSON with sorted keys and without spaces: equal values give equal texts. */
export function canonicalJson(value: JsonValue | undefined): string {
  if (Array.isArray(value)) {
    return `[${value.map(item => canonicalJson(item)).join(',')}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const members = Object.keys(value)
      .filter(key => value[key] !== undefined)
      .sort()
      .map(key => `${JSON.stringify(key)}:${canonicalJson(value[key])}`);
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value ?? null);
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * Hash of an action's resolved input. Secrets count as "there is one" only: a token that was renewed
 * between two runs of a step must not make it another step.
 */
export function inputHash(input: JsonObject, redact: (text: string) => string): string {
  return sha256(redact(canonicalJson(input))).slice(0, HASH_LENGTH);
}

/** "task/step/inputHash", the same for a repeat of the same step. */
export function idempotencyKey(taskId: string, stepId: string, hash: string): string {
  const key = `${taskId}/${stepId}/${hash}`;
  return Buffer.byteLength(key) <= MAX_KEY_BYTES
    ? key
    : `${sha256(`${taskId}/${stepId}`).slice(0, 32)}/${hash}`;
}
