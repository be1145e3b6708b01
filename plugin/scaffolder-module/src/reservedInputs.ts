import { InputError } from '@backstage/errors';
import type { JsonObject, JsonValue } from '@backstage/types';

/**
 * A host's schema names the inputs that only the portal gives as `patternProperties`: the rest of
 * the schema is what templates see.
 */
function patternsOf(schema: JsonValue | undefined): string[] {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) {
    return [];
  }
  const patterns = schema.patternProperties;
  return typeof patterns === 'object' && patterns !== null ? Object.keys(patterns) : [];
}

/** The schema as templates see it. */
export function publicSchema<T extends { input?: JsonObject }>(schema: T): T {
  if (!schema.input) {
    return schema;
  }
  const { patternProperties: _, ...input } = schema.input;
  return { ...schema, input };
}

/** Throws for an input that a template may not give. */
export function refuseReserved(schema: JsonObject | undefined, input: JsonObject): void {
  const patterns = patternsOf(schema).map(pattern => new RegExp(pattern));
  for (const name of Object.keys(input)) {
    if (patterns.some(pattern => pattern.test(name))) {
      throw new InputError(`/${name}: is set by the portal, templates may not give it`);
    }
  }
}
