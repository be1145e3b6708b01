// Debian's Chromium, driven by playwright-core.
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const PROGRAM = '/usr/bin/chromium';

/** Says why there is no browser, or undefined when there is one. */
export function browserMissing() {
  return existsSync(PROGRAM) ? undefined : `SKIP: no ${PROGRAM}; apt-get install chromium`;
}

/** Opens a browser with one page; errors of the page's own scripts are collected in `errors`. */
export async function openPage() {
  const browser = await chromium.launch({
    executablePath: PROGRAM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  });
  const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
  const errors = [];
  page.on('pageerror', error => errors.push(error.message));
  page.setDefaultTimeout(60_000);
  return { browser, page, errors };
}

/** Signs in through the sign-in page and waits until the portal shows its menu. */
export async function signInAsGuest(page, baseUrl) {
  await page.goto(baseUrl);
  await page.getByRole('button', { name: 'Enter' }).click();
  await page.getByRole('link', { name: 'Create' }).waitFor();
}
