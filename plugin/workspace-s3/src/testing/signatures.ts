import { createHash, createHmac } from 'node:crypto';

/** What was signed, as it came over the wire. */
export interface SignedRequest {
  method: string;
  /** With its query. */
  url: string;
  headers: Array<[string, string]>;
  payloadHash: string;
}

const sha256 = (data: string) => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, data: string) =>
  createHmac('sha256', key).update(data).digest();
const encode = (text: string) =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );

const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b));

function canonicalQuery(query: string): string {
  return (
    query
      .split('&')
      .filter(Boolean)
      .map(pair => {
        const at = pair.indexOf('=');
        const [name, value] = at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
        return [encode(decodeURIComponent(name)), encode(decodeURIComponent(value))];
      })
      // By name, then by value: "a=1" comes before "a-b=1".
      .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
      .map(([name, value]) => `${name}=${value}`)
      .join('&')
  );
}

/** Version 4 of Amazon's signatures, as S3 reads it: the path is taken as it is. */
export function signatureOf(
  request: SignedRequest,
  scope: { date: string; signedHeaders: string[]; credentialScope: string; secret: string },
): string {
  const [path, query = ''] = request.url.split('?');
  const headers = scope.signedHeaders.map(name => {
    const values = request.headers
      .filter(([key]) => key.toLowerCase() === name)
      .map(([, value]) => value.trim().replace(/ +/g, ' '));
    return `${name}:${values.join(',')}\n`;
  });
  const canonical = [
    request.method,
    path,
    canonicalQuery(query),
    headers.join(''),
    scope.signedHeaders.join(';'),
    request.payloadHash,
  ].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', scope.date, scope.credentialScope, sha256(canonical)].join(
    '\n',
  );
  const key = scope.credentialScope
    .split('/')
    .reduce<string | Buffer>((secret, part) => hmac(secret, part), `AWS4${scope.secret}`);
  return createHmac('sha256', key).update(toSign).digest('hex');
}
