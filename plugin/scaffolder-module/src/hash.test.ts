import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { canonicalJson, idempotencyKey, inputHash } from './hash';
import { createRedactor, redactJson } from './redact';

const same = (text: string) => text;

describe('the hash of an input', () => {
  it('does not depend on the order of keys, but on everything else', () => {
    const hash = inputHash({ a: 1, b: { c: [1, 2], d: null } }, same);
    assert.equal(inputHash({ b: { d: null, c: [1, 2] }, a: 1 }, same), hash);
    assert.notEqual(inputHash({ b: { d: null, c: [2, 1] }, a: 1 }, same), hash);
    assert.match(hash, /^[0-9a-f]{16}$/);
    assert.equal(canonicalJson({ b: undefined, a: 'ä"' }), '{"a":"ä\\""}');
  });

  it('does not change when a secret does', () => {
    const hash = (token: string) =>
      inputHash({ token: `Bearer ${token}` }, createRedactor([token]));
    assert.equal(hash('first-token'), hash('renewed"token'));
  });

  it('makes keys of at most 200 bytes that still differ', () => {
    assert.equal(idempotencyKey('task', 'step', 'hash'), 'task/step/hash');
    const long = idempotencyKey('task', 's'.repeat(300), 'hash');
    assert.ok(Buffer.byteLength(long) <= 200);
    assert.notEqual(long, idempotencyKey('other', 's'.repeat(300), 'hash'));
  });
});

describe('hiding secrets', () => {
  it('hides every form of them, everywhere in a value', () => {
    const secret = 'p"ss w+rd';
    const redact = createRedactor([secret, 'ab', '']);
    for (const form of [
      secret,
      JSON.stringify(secret).slice(1, -1),
      encodeURIComponent(secret),
      Buffer.from(secret).toString('base64'),
    ]) {
      assert.equal(redact(`<${form}>`), '<***>');
    }
    assert.equal(redact('ab'), 'ab');
    assert.deepEqual(redactJson({ a: [secret, 1, null], b: { c: `x${secret}` } }, redact), {
      a: ['***', 1, null],
      b: { c: 'x***' },
    });
  });
});
