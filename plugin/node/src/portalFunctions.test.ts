import assert from 'node:assert/strict';
import { it } from 'node:test';
import { fetchWithFunctions } from './portalFunctions';

const call = (url: string, body?: unknown) =>
  fetchWithFunctions({
    greet: ({ name }) => `hello ${String(name)}`,
    fail: async () => {
      throw new Error('no more greetings');
    },
  })(JSON.stringify({ method: 'POST', url, headers: [] }), Buffer.from(JSON.stringify(body ?? {})));

it('native code calls functions of the portal as if they were a host', async () => {
  const greeting = await call('http://portal.invalid/greet', { name: 'you' });
  assert.equal(`${greeting.status} ${String(greeting.body)}`, '200 hello you');
  const failure = await call('http://portal.invalid/fail');
  assert.equal(`${failure.status} ${String(failure.body)}`, '422 no more greetings');
  assert.equal((await call('http://portal.invalid/toString')).status, 404);
});

it('all else goes to the network', async () => {
  // Nothing listens there.
  await assert.rejects(async () => call('http://127.0.0.1:1/greet'));
});
