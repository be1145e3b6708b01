// What a person reads on the demo portal's page of costs.

const DAY_MS = 24 * 60 * 60 * 1000;
const dayText = time => new Date(time).toISOString().slice(0, 10);
const plain = text => text.replace(/\s+/g, ' ').trim();

/** An amount as the page shows it; that of the answer is an exact text. */
export function money(amount, currency = 'USD') {
  const style = { style: 'currency', currency, currencyDisplay: 'code' };
  return plain(new Intl.NumberFormat('en-US', style).format(amount));
}

/** The last month all of whose days have data: its days, and its name on the page. */
export function lastCompleteMonth(lastDay) {
  const next = new Date(Date.parse(lastDay) + DAY_MS);
  const end = new Date(Date.UTC(next.getUTCFullYear(), next.getUTCMonth(), 0));
  const to = dayText(end);
  const style = { month: 'short', year: 'numeric', timeZone: 'UTC' };
  return { from: `${to.slice(0, 7)}-01`, to, title: end.toLocaleDateString('en-US', style) };
}

/** The cells of a table's rows, without its head. */
export async function rowsOf(page, table) {
  const rows = page.getByRole('grid', { name: table }).locator('tbody').getByRole('row');
  await rows.first().waitFor();
  const cells = await rows.evaluateAll(all =>
    all.map(row => [...row.children].map(cell => cell.innerText)),
  );
  return cells.map(row => row.map(plain));
}

/** Waits until a table calls an entity as the catalog does; before, it shows its ref. */
export function named(page, table, entity) {
  const links = page.getByRole('grid', { name: table }).getByRole('link');
  return links
    .filter({ hasText: new RegExp(`^${entity}$`) })
    .first()
    .waitFor();
}

/** The chart's figures: a row for each month. */
export async function monthsOf(page) {
  await page.getByRole('button', { name: 'Figures of the chart' }).click();
  return rowsOf(page, 'Costs by month');
}

/** Answers the page's questions for sums as if nothing had been charged in a month. */
export async function leaveOut(page, month) {
  await page.route('**/api/purser/v1/costs/query?*', async route => {
    const { items } = await (await route.fetch()).json();
    await route.fulfill({ json: { items: items.filter(({ keys }) => !keys.includes(month)) } });
  });
}
