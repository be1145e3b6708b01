import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { signatureOf } from './signatures';

const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const shared = process.env.PURSER_SHARED ?? join(__dirname, '..', '..', '..', '..', '..', 'shared');
const vectors = join(shared, 'data', 'sigv4');
// Those whose path is plain: of others, S3's rules differ from the general ones.
const NAMES = [
  'get-vanilla',
  'get-vanilla-empty-query-key',
  'get-vanilla-query',
  'get-vanilla-query-order-encoded',
  'get-vanilla-query-order-key-case',
  'get-vanilla-query-unreserved',
  'get-vanilla-utf8-query',
  'get-vanilla-with-session-token',
  'get-header-key-duplicate',
  'get-header-value-order',
  'get-header-value-trim',
  'post-header-key-case',
  'post-header-key-sort',
  'post-header-value-case',
  'post-vanilla',
  'post-vanilla-empty-query-value',
  'post-vanilla-query',
];

describe('the signatures of the test store', () => {
  it('are those of the published example', () => {
    // Amazon's own example of a GET with one query parameter.
    const signature = signatureOf(
      {
        method: 'GET',
        url: '/?Param2=value2&Param1=value1',
        headers: [
          ['Host', 'example.amazonaws.com'],
          ['X-Amz-Date', '20150830T123600Z'],
        ],
        payloadHash: EMPTY,
      },
      {
        date: '20150830T123600Z',
        signedHeaders: ['host', 'x-amz-date'],
        credentialScope: '20150830/us-east-1/service/aws4_request',
        secret: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
      },
    );
    assert.equal(signature, 'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500');
  });

  for (const name of NAMES) {
    const folder = join(vectors, name);
    it(name, { skip: existsSync(folder) ? false : 'SKIP the vectors are not there' }, () => {
      const text = readFileSync(join(folder, 'header-signed-request.txt'), 'utf8');
      const [first, ...lines] = text.split('\n\n')[0].split('\n');
      const [, method, url] = /^(\S+) (.*) HTTP\/1\.1$/.exec(first)!;
      const headers = lines
        .filter(Boolean)
        .map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)])
        .map(([header, value]): [string, string] => [header, value]);
      const authorization = headers.find(([header]) => header === 'Authorization')![1];
      const [, signed] = /SignedHeaders=([^,]+)/.exec(authorization)!;
      const [, credentialScope] = /Credential=[^/]+\/([^,]+)/.exec(authorization)!;
      const date = headers.find(([header]) => header.toLowerCase() === 'x-amz-date')![1];
      const signature = signatureOf(
        { method, url: encodeURI(decodeURI(url)), headers, payloadHash: EMPTY },
        {
          date,
          signedHeaders: signed.split(';'),
          credentialScope,
          secret: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
        },
      );
      assert.equal(signature, readFileSync(join(folder, 'header-signature.txt'), 'utf8').trim());
    });
  }
});
