import { type FetchAnswer, nativeFetch } from './nativeFetch';
import type { PortalFunction } from './types';

/** No network knows this host; native code calls functions of the portal by it. */
const PORTAL_HOST = 'portal.invalid';
const REFUSED = 422;

async function answer(
  functions: Record<string, PortalFunction>,
  name: string,
  body: Buffer,
): Promise<FetchAnswer> {
  const asText = (status: number, text: string) => ({
    status,
    headers: [],
    body: Buffer.from(text),
  });
  const fn = Object.hasOwn(functions, name) ? functions[name] : undefined;
  if (!fn) {
    return asText(404, `the portal has no function '${name}'`);
  }
  try {
    return asText(200, await fn(JSON.parse(body.toString('utf8'))));
  } catch (error) {
    return asText(REFUSED, (error as Error).message);
  }
}

/** `nativeFetch`, and calls of `http://portal.invalid/<name>` as calls of these functions. */
export function fetchWithFunctions(
  functions: Record<string, PortalFunction> = {},
): typeof nativeFetch {
  return async (requestJson, body, signal) => {
    const { host, pathname } = new URL((JSON.parse(requestJson) as { url: string }).url);
    if (host !== PORTAL_HOST) {
      return nativeFetch(requestJson, body, signal);
    }
    const content = typeof body === 'function' ? undefined : body;
    return answer(functions, pathname.slice(1), content ?? Buffer.from('null'));
  };
}
