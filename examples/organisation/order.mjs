// Orders the products of orders.json in a running demo portal, as its guest. Ordering again changes
// nothing: each order has a key of its own.
//
//   node examples/organisation/order.mjs <folder of generate.mjs> [http://localhost:7007]
import { readFileSync } from 'node:fs';
import path from 'node:path';

const [folder, portal = 'http://localhost:7007'] = process.argv.slice(2);
if (!folder) {
  console.error('usage: node order.mjs <folder> [URL of the portal]');
  process.exit(1);
}

async function post(where, body, token) {
  const answer = await fetch(`${portal}${where}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${where} answered ${answer.status}: ${text}`);
  return JSON.parse(text);
}

const { backstageIdentity } = await post('/api/auth/guest/refresh', {});
const orders = JSON.parse(readFileSync(path.join(folder, 'orders.json'), 'utf8'));
for (const { blueprint, parameters } of orders) {
  await post(
    '/api/purser/v1/requests',
    { blueprint, parameters, idempotencyKey: `organisation/${parameters.name}` },
    backstageIdentity.token,
  );
}
console.log(`${orders.length} products are ordered`);
