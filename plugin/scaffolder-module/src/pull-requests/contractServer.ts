import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One call as the server saw it. */
export interface SeenCall {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: Record<string, unknown>;
}

export interface Answer {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
  /** Do what the call asks for, and break the connection instead of answering. */
  lost?: boolean;
}

export type Handler = (call: SeenCall) => Answer;

/** An HTTP server for tests that keeps a documented API's promises, and fails when told to. */
export class ContractServer {
  readonly calls: SeenCall[] = [];
  readonly #handler: Handler;
  readonly #server: Server;
  #failures: Array<{ matches(call: SeenCall): boolean; answer: Answer }> = [];

  private constructor(handler: Handler) {
    this.#handler = handler;
    this.#server = createServer(async (request, response) => {
      const pieces: Buffer[] = [];
      for await (const piece of request) {
        pieces.push(piece as Buffer);
      }
      const url = new URL(request.url ?? '/', 'http://server');
      const text = Buffer.concat(pieces).toString();
      const call: SeenCall = {
        method: request.method ?? '',
        path: decodeURIComponent(url.pathname),
        query: url.searchParams,
        headers: request.headers,
        body: text ? (JSON.parse(text) as Record<string, unknown>) : {},
      };
      this.calls.push(call);
      const index = this.#failures.findIndex(({ matches }) => matches(call));
      const failure = index < 0 ? undefined : this.#failures.splice(index, 1)[0].answer;
      const answer = failure && !failure.lost ? failure : this.#handler(call);
      if (failure?.lost) {
        response.destroy();
        return;
      }
      response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
      response.end(answer.body === undefined ? '' : JSON.stringify(answer.body));
    });
  }

  static async start(handler: Handler): Promise<ContractServer> {
    const self = new ContractServer(handler);
    await new Promise<void>(resolve => self.#server.listen(0, '127.0.0.1', resolve));
    return self;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The next call of this method and path ends so; several are taken in order. */
  failNext(method: string, path: RegExp, ...answers: Answer[]): void {
    const matches = (call: SeenCall) => call.method === method && path.test(call.path);
    this.#failures.push(...answers.map(answer => ({ matches, answer })));
  }

  /** "METHOD /path" of what was called. */
  get called(): string[] {
    return this.calls.map(({ method, path }) => `${method} ${path}`);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise(resolve => this.#server.close(resolve));
  }
}
