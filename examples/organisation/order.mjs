// Orders the products of orders.json in a running demo portal, as its guest. Ordering again changes
// nothing: each order has a key of its own.
//
//   node examples/organisation/order.mjs <folder of generate.mjs> [http://localhost:7007]
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

async function post(url, body, token) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${text}`);
  return JSON.parse(text);
}

/** Orders all; resolves with their number. */
export async function order(folder, portal) {
  const { backstageIdentity } = await post(`${portal}/api/auth/guest/refresh`, {});
  const orders = JSON.parse(readFileSync(path.join(folder, 'orders.json'), 'utf8'));
  for (const { blueprint, parameters } of orders) {
    await post(
      `${portal}/api/purser/v1/requests`,
      { blueprint, parameters, idempotencyKey: `organisation/${parameters.name}` },
      backstageIdentity.token,
    );
  }
  return orders.length;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder, portal = 'http://localhost:7007'] = process.argv.slice(2);
  if (!folder) {
    console.error('usage: node order.mjs <folder> [URL of the portal]');
    process.exit(1);
  }
  console.log(`${await order(folder, portal)} products are ordered`);
}
