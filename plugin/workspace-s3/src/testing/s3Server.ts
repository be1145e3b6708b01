import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { signatureOf } from './signatures';

/** An object with the headers it was put with. */
export interface StoredObject {
  body: Buffer;
  headers: IncomingMessage['headers'];
}

/** How a call goes wrong. */
export type Failure =
  | { status: number; code: string }
  /** Half of the object, then the connection breaks. */
  | 'torn'
  /** The object with a changed byte. */
  | 'damaged';

const ACCESS_KEY = 'AKIDTEST';
const SECRET = 'secret-of-a-test';
const REGION = 'europe-test';
const BUCKET = 'workspaces';
const MIN_PART_BYTES = 5 * 1024 * 1024;

/**
 * An S3-compatible store for tests, in memory: one bucket, objects, multipart uploads. It checks the
 * signature of every call and the hash of every body, and fails when told to.
 */
export class S3Server {
  readonly objects = new Map<string, StoredObject>();
  readonly uploads = new Map<string, Map<number, Buffer>>();
  /** "PUT key", "UPLOAD-PART key", … in order. */
  readonly calls: string[] = [];
  /** Adds path-style addresses of other stores; a virtual host style is not understood. */
  readonly #server: Server;
  #failures: Array<{ call: string; failure: Failure }> = [];

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(error => response.destroy(error as Error));
    });
  }

  static async start(): Promise<S3Server> {
    const self = new S3Server();
    await new Promise<void>(resolve => self.#server.listen(0, '127.0.0.1', resolve));
    return self;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The `scaffolder.taskRecovery.s3` of a portal. */
  config(extra: object = {}) {
    return {
      bucket: BUCKET,
      endpoint: this.endpoint,
      region: REGION,
      credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET },
      ...extra,
    };
  }

  /** The next calls of this kind ("PUT", "GET", "DELETE", "UPLOAD-PART", …) go wrong, in order. */
  failNext(call: string, ...failures: Failure[]): void {
    this.#failures.push(...failures.map(failure => ({ call, failure })));
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise(resolve => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) {
      pieces.push(piece as Buffer);
    }
    const body = Buffer.concat(pieces);
    const url = new URL(request.url ?? '/', this.endpoint);
    const [, bucket, ...rest] = decodeURIComponent(url.pathname).split('/');
    const key = rest.join('/');
    const call = this.#callOf(request.method ?? '', url.searchParams);
    this.calls.push(`${call} ${key}`);
    const fail = (status: number, code: string) => {
      response.writeHead(status, { 'content-type': 'application/xml' });
      response.end(
        `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`,
      );
    };
    const problem = this.#checkSignature(request, body);
    if (problem) {
      fail(403, problem);
      return;
    }
    if (bucket !== BUCKET) {
      fail(404, 'NoSuchBucket');
      return;
    }
    const index = this.#failures.findIndex(item => item.call === call);
    const failure = index < 0 ? undefined : this.#failures.splice(index, 1)[0].failure;
    if (typeof failure === 'object') {
      fail(failure.status, failure.code);
      return;
    }
    this.#answer(call, key, url.searchParams, request, body, response, fail, failure);
  }

  #callOf(method: string, query: URLSearchParams): string {
    if (query.has('uploads')) {
      return 'BEGIN-UPLOAD';
    }
    if (query.has('uploadId')) {
      return { PUT: 'UPLOAD-PART', POST: 'END-UPLOAD', DELETE: 'ABORT-UPLOAD' }[method] ?? method;
    }
    return method;
  }

  #answer(
    call: string,
    key: string,
    query: URLSearchParams,
    request: IncomingMessage,
    body: Buffer,
    response: ServerResponse,
    fail: (status: number, code: string) => void,
    failure: 'torn' | 'damaged' | undefined,
  ): void {
    const id = query.get('uploadId') ?? '';
    const parts = this.uploads.get(id);
    const etag = { etag: `"${createHash('md5').update(body).digest('hex')}"` };
    switch (call) {
      case 'PUT':
        this.objects.set(key, { body, headers: request.headers });
        response.writeHead(200, etag).end();
        return;
      case 'GET': {
        const stored = this.objects.get(key);
        if (!stored) {
          fail(404, 'NoSuchKey');
          return;
        }
        const content = Buffer.from(stored.body);
        if (failure === 'damaged') {
          content[Math.floor(content.length / 2)] ^= 0xff;
        }
        response.writeHead(200, { 'content-length': content.length });
        if (failure === 'torn') {
          response.write(content.subarray(0, content.length / 2), () => response.destroy());
        } else {
          response.end(content);
        }
        return;
      }
      case 'DELETE':
        this.objects.delete(key);
        response.writeHead(204).end();
        return;
      case 'BEGIN-UPLOAD': {
        const upload = randomUUID();
        this.uploads.set(upload, new Map());
        response
          .writeHead(200, { 'content-type': 'application/xml' })
          .end(
            `<InitiateMultipartUploadResult><UploadId>${upload}</UploadId></InitiateMultipartUploadResult>`,
          );
        return;
      }
      default:
    }
    if (!parts) {
      fail(404, 'NoSuchUpload');
      return;
    }
    if (call === 'UPLOAD-PART') {
      parts.set(Number(query.get('partNumber')), body);
      response.writeHead(200, etag).end();
    } else if (call === 'ABORT-UPLOAD') {
      this.uploads.delete(id);
      response.writeHead(204).end();
    } else {
      const ordered = [...parts].sort(([a], [b]) => a - b).map(([, part]) => part);
      if (ordered.slice(0, -1).some(part => part.length < MIN_PART_BYTES)) {
        fail(400, 'EntityTooSmall');
        return;
      }
      this.uploads.delete(id);
      this.objects.set(key, { body: Buffer.concat(ordered), headers: request.headers });
      response
        .writeHead(200, { 'content-type': 'application/xml' })
        .end('<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>');
    }
  }

  #checkSignature(request: IncomingMessage, body: Buffer): string | undefined {
    const match =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
        request.headers.authorization ?? '',
      );
    if (!match) {
      return 'AccessDenied';
    }
    const [, accessKey, credentialScope, signed, signature] = match;
    if (accessKey !== ACCESS_KEY) {
      return 'InvalidAccessKeyId';
    }
    const date = String(request.headers['x-amz-date']);
    const payloadHash = String(request.headers['x-amz-content-sha256']);
    const signedHeaders = signed.split(';');
    if (
      credentialScope !== `${date.slice(0, 8)}/${REGION}/s3/aws4_request` ||
      !['host', 'x-amz-date', 'x-amz-content-sha256'].every(name => signedHeaders.includes(name))
    ) {
      return 'AuthorizationHeaderMalformed';
    }
    const actual = createHash('sha256').update(body).digest('hex');
    if (payloadHash !== actual && payloadHash !== 'UNSIGNED-PAYLOAD') {
      return 'XAmzContentSHA256Mismatch';
    }
    const headers: Array<[string, string]> = [];
    for (let i = 0; i < request.rawHeaders.length; i += 2) {
      headers.push([request.rawHeaders[i], request.rawHeaders[i + 1]]);
    }
    const expected = signatureOf(
      { method: request.method ?? '', url: request.url ?? '', headers, payloadHash },
      { date, signedHeaders, credentialScope, secret: SECRET },
    );
    return expected === signature ? undefined : 'SignatureDoesNotMatch';
  }
}
