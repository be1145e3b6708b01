import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Texts in PEM. */
export interface TestCertificate {
  certificate: string;
  key: string;
}

/** An authority for tests, made by the installed `openssl`; its files go with `remove`. */
export class TestAuthority {
  readonly #folder = mkdtempSync(join(tmpdir(), 'purser-certificates-'));
  readonly certificate: string;

  constructor(name: string) {
    this.certificate = this.#make('ca', name, [
      '-x509',
      '-addext',
      'basicConstraints=critical,CA:TRUE',
    ]).certificate;
  }

  /** A certificate for a server or client of this name. */
  issue(name: string): TestCertificate {
    return this.#make(name, name, [
      '-x509',
      '-CA',
      join(this.#folder, 'ca.pem'),
      '-CAkey',
      join(this.#folder, 'ca.key'),
      '-addext',
      `subjectAltName=DNS:${name}`,
      '-addext',
      'basicConstraints=critical,CA:FALSE',
    ]);
  }

  /** Writes a text beside the certificates and gives its path. */
  write(name: string, text: string): string {
    const path = join(this.#folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #make(file: string, name: string, extra: string[]): TestCertificate {
    const key = join(this.#folder, `${file}.key`);
    const certificate = join(this.#folder, `${file}.pem`);
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    execFileSync(
      'openssl',
      [
        'req',
        ...curve,
        '-subj',
        `/CN=${name}`,
        '-days',
        '2',
        '-keyout',
        key,
        '-out',
        certificate,
      ].concat(extra),
      { stdio: 'pipe' },
    );
    return { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') };
  }
}
