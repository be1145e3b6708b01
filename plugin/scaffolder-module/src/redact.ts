import type { JsonValue } from '@backstage/types';

const REPLACEMENT = '***';
/** A shorter "secret" would turn every text into stars. */
const MIN_SECRET_LENGTH = 3;

function formsOf(secret: string): string[] {
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    Buffer.from(secret).toString('base64'),
  ];
}

const escapeRegExp = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Makes a function that hides the secrets in a text, also JSON-escaped, URL-encoded and base64. */
export function createRedactor(secrets: Iterable<string>): (text: string) => string {
  const forms = new Set<string>();
  for (const secret of secrets) {
    if (secret.length >= MIN_SECRET_LENGTH) {
      formsOf(secret).forEach(form => forms.add(form));
    }
  }
  if (forms.size === 0) {
    return text => text;
  }
  // Longest first: a secret may be a part of another.
  const pattern = new RegExp(
    [...forms]
      .sort((a, b) => b.length - a.length)
      .map(escapeRegExp)
      .join('|'),
    'g',
  );
  return text => text.replace(pattern, REPLACEMENT);
}

/** The same for every text in a JSON value. */
export function redactJson(value: JsonValue, redact: (text: string) => string): JsonValue {
  if (typeof value === 'string') {
    return redact(value);
  }
  if (Array.isArray(value)) {
    return value.map(item => redactJson(item, redact));
  }
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, redactJson(item ?? null, redact)]),
    );
  }
  return value;
}
