// What the end-to-end tests do as a user would: sign in as guest and speak REST to the portal.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

/** Calls `look` until it gives something truthy; fails after `seconds` with what it waited for. */
export async function until(what, look, seconds = 120) {
  const end = Date.now() + seconds * 1000;
  let last;
  for (;;) {
    try {
      const found = await look();
      if (found) {
        return found;
      }
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) {
      assert.fail(`waited ${seconds} s for ${what}${last ? `; last error: ${last.message}` : ''}`);
    }
    await sleep(200);
  }
}

/** An answer that is no success. */
export class HttpError extends Error {
  constructor(method, where, status, body) {
    super(`${method} ${where} answered ${status}: ${JSON.stringify(body).slice(0, 2000)}`);
    this.status = status;
    this.body = body;
  }
}

export class Client {
  #baseUrl;
  #token;

  constructor(baseUrl) {
    this.#baseUrl = baseUrl;
  }

  /** Signs in as the demo's guest. */
  async signIn() {
    const answer = await this.call('POST', '/api/auth/guest/refresh', {});
    this.#token = answer.backstageIdentity.token;
    return answer.backstageIdentity.identity;
  }

  get token() {
    return this.#token;
  }

  /** The raw answer. */
  fetch(method, where, body, headers = {}) {
    return fetch(`${this.#baseUrl}${where}`, {
      method,
      headers: {
        ...(this.#token && { authorization: `Bearer ${this.#token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  }

  /** The JSON (or text) of a successful answer; HttpError otherwise. */
  async call(method, where, body, headers) {
    const answer = await this.fetch(method, where, body, headers);
    const text = await answer.text();
    let parsed = text;
    try {
      parsed = JSON.parse(text);
    } catch {
      // Not everything is JSON.
    }
    if (!answer.ok) {
      throw new HttpError(method, where, answer.status, parsed);
    }
    return parsed;
  }

  get(where) {
    return this.call('GET', where);
  }

  post(where, body = {}) {
    return this.call('POST', where, body);
  }

  /** The catalog's entity, or undefined. */
  async entity(ref) {
    const [kind, rest] = ref.split(':');
    const [namespace, name] = rest.split('/');
    try {
      return await this.get(`/api/catalog/entities/by-name/${kind}/${namespace}/${name}`);
    } catch (error) {
      if (error.status === 404) {
        return undefined;
      }
      throw error;
    }
  }

  /** Starts a template's task; gives its id. */
  async startTemplate(templateRef, values) {
    const task = await this.post('/api/scaffolder/v2/tasks', { templateRef, values });
    return task.id;
  }

  /** A task's log lines so far. */
  async taskLog(id) {
    const events = await this.get(`/api/scaffolder/v2/tasks/${id}/events`);
    return events.map(event => event.body.message);
  }

  /** Waits for a task's end; fails with its log unless it ended in an expected status. */
  async taskEnd(id, expected = 'completed', seconds = 120) {
    const task = await until(
      `the task ${id} to end`,
      async () => {
        const now = await this.get(`/api/scaffolder/v2/tasks/${id}`);
        return ['completed', 'failed', 'cancelled'].includes(now.status) && now;
      },
      seconds,
    );
    if (![expected].flat().includes(task.status)) {
      assert.fail(`the task is ${task.status}:\n${(await this.taskLog(id)).join('\n')}`);
    }
    return task;
  }

  /** One call of an MCP tool. */
  async mcp(method, params) {
    const answer = await this.fetch(
      'POST',
      '/api/mcp-actions/v1',
      { jsonrpc: '2.0', id: 1, method, params },
      { accept: 'application/json, text/event-stream' },
    );
    const text = await answer.text();
    assert.ok(answer.ok, `MCP ${method} answered ${answer.status}: ${text.slice(0, 500)}`);
    const data = text.startsWith('{')
      ? text
      : text
          .split('\n')
          .filter(line => line.startsWith('data:'))
          .map(line => line.slice('data:'.length))
          .join('');
    const message = JSON.parse(data);
    assert.ok(!message.error, `MCP ${method}: ${JSON.stringify(message.error)}`);
    return message.result;
  }
}
