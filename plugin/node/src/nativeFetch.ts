/** One HTTP exchange as the addon asks for it. */
interface FetchRequest {
  method: string;
  url: string;
  headers: Array<[string, string]>;
  /** Milliseconds. */
  timeoutMs?: number;
  maxResponseBytes?: number;
}

/** The answer; redirects are answers. */
export interface FetchAnswer {
  status: number;
  headers: Array<[string, string]>;
  body: Buffer;
}

/** Asks for the next piece of a body; `take` gets it later, and undefined at the end. */
export type PullBody = (take: (piece: Buffer | undefined) => void) => void;

const DEFAULT_MAX_RESPONSE_BYTES = 16 * 1024 * 1024;

async function readLimited(response: Response, limit: number): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  if (response.body) {
    for await (const piece of response.body) {
      size += piece.byteLength;
      if (size > limit) {
        throw new Error(
          `the answer of ${new URL(response.url).host} is larger than ${limit} bytes`,
        );
      }
      pieces.push(piece);
    }
  }
  return Buffer.concat(pieces);
}

/** One piece is under way at a time: native code makes it while the one before is sent. */
function streamOf(pull: PullBody): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      pull: controller =>
        new Promise(resolve => {
          pull(piece => {
            if (piece) {
              controller.enqueue(piece);
            } else {
              controller.close();
            }
            resolve();
          });
        }),
    },
    { highWaterMark: 1 },
  );
}

/**
 * The network of native code inside the portal: the portal's own fetch, so that its proxy and
 * certificate settings hold.
 */
export async function nativeFetch(
  requestJson: string,
  body?: Buffer | PullBody,
  signal?: AbortSignal,
): Promise<FetchAnswer> {
  const request = JSON.parse(requestJson) as FetchRequest;
  const signals = [
    ...(signal ? [signal] : []),
    ...(request.timeoutMs ? [AbortSignal.timeout(request.timeoutMs)] : []),
  ];
  const content =
    typeof body === 'function'
      ? { body: streamOf(body), duplex: 'half' as const }
      : { body: body && body.length > 0 ? new Uint8Array(body) : undefined };
  const response = await fetch(request.url, {
    method: request.method,
    headers: request.headers,
    ...content,
    redirect: 'manual',
    signal: signals.length > 0 ? AbortSignal.any(signals) : undefined,
  });
  // fetch has undone the compression, so what these say of the body is no longer true.
  const untrue = response.headers.has('content-encoding')
    ? new Set(['content-encoding', 'content-length'])
    : new Set<string>();
  return {
    status: response.status,
    headers: [...response.headers].filter(([name]) => !untrue.has(name)),
    body: await readLimited(response, request.maxResponseBytes ?? DEFAULT_MAX_RESPONSE_BYTES),
  };
}
