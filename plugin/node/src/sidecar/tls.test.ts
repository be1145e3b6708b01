import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { relative } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ConfigReader } from '@backstage/config';
import { createPurserService } from '../service';
import { TestAuthority, type TestCertificate } from '../testing/certificates';
import { TestSidecar } from '../testUtils';

const missing = spawnSync('openssl', ['version']).status !== 0;

describe(
  'mutual TLS to the sidecar',
  { skip: missing ? 'SKIP openssl is not installed' : false },
  () => {
    let authority: TestAuthority;
    let stranger: TestAuthority;
    let portal: TestCertificate;
    let sidecar: TestSidecar;

    before(async () => {
      authority = new TestAuthority('the authority');
      stranger = new TestAuthority('another authority');
      portal = authority.issue('portal.internal');
      sidecar = await TestSidecar.start({
        tls: { ca: authority.certificate, ...authority.issue('purserd.internal') },
      });
    });

    after(() => {
      sidecar?.stop();
      authority?.remove();
      stranger?.remove();
    });

    const files = (own: TestCertificate, ca = authority.certificate) => ({
      ca: authority.write('client-ca.pem', ca),
      certificate: authority.write('client.pem', own.certificate),
      key: authority.write('client.key', own.key),
    });

    async function list(tls: object, connectTimeout: object = { seconds: 30 }) {
      const service = createPurserService({
        config: new ConfigReader({
          purser: { sidecar: { address: sidecar.address, connectTimeout, tls } },
        }),
      });
      try {
        return await service.sidecar.listRequests({});
      } finally {
        service.close();
      }
    }

    const refused = async (tls: object, reason: RegExp) =>
      assert.rejects(list(tls, { milliseconds: 500 }), (error: Error) => {
        assert.equal(error.name, 'ServiceUnavailableError');
        assert.match(error.message, reason);
        return true;
      });

    it('works when both sides trust each other', async () => {
      assert.deepEqual(
        (await list({ ...files(portal), serverName: 'purserd.internal' })).items,
        [],
      );
    });

    it('takes paths relative to the working directory', async () => {
      const { ca, certificate, key } = files(portal);
      const tls = {
        ca: relative(process.cwd(), ca),
        certificate: relative(process.cwd(), certificate),
        key: relative(process.cwd(), key),
        serverName: 'purserd.internal',
      };
      assert.deepEqual((await list(tls)).items, []);
    });

    it('is refused by a sidecar of another name', async () => {
      await refused(files(portal), /cannot be reached.*127\.0\.0\.1/);
      await refused({ ...files(portal), serverName: 'elsewhere.internal' }, /elsewhere\.internal/);
    });

    it('is refused to a sidecar whose authority we do not trust', async () => {
      await refused(
        { ...files(portal, stranger.certificate), serverName: 'purserd.internal' },
        /self-signed|unable to (verify|get)/,
      );
    });

    it('is refused to a portal whose authority the sidecar does not trust', async () => {
      const before = sidecar.calls.names.length;
      await refused(
        { ...files(stranger.issue('portal.internal')), serverName: 'purserd.internal' },
        /sidecar/,
      );
      assert.equal(sidecar.calls.names.length, before, 'no call may get through');
    });
  },
);
