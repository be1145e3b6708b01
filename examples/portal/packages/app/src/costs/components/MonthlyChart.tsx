import { useId } from 'react';
import '../costs.css';
import { money, monthText, tick } from '../format';
import { monthTitle } from '../months';
import type { MonthCost, YearInCurrency } from '../year';

const WIDTH = 1000;
const HEIGHT = 280;
const LEFT = 70;
const BOTTOM = 44;
const TOP = 26;
const TICKS = 4;
/** Of the room of a month. */
const BAR = 0.64;

/** The class that colours the n-th series. */
export const colourOf = (index: number) => `costs-colour-${index + 1}`;
/** The class of what is not among the series. */
export const REST_COLOUR = 'costs-colour-rest';

/** A round number that `TICKS` steps of reach the highest amount with. */
function stepFor(highest: number): number {
  const raw = (highest || 1) / TICKS;
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 2.5, 5, 10].map(factor => factor * power).find(step => step >= raw) ?? raw;
}

interface Part {
  key: string;
  className: string;
  from: number;
  to: number;
  title: string;
}

/** The parts of a month's bar from the bottom up; a drawing only, so floating numbers will do. */
function partsOf({ currency, series }: YearInCurrency, month: MonthCost): Part[] {
  const parts: Part[] = [];
  let height = 0;
  const add = (key: string, className: string, amount: number, title: string) => {
    if (amount > 0) {
      parts.push({ key, className, from: height, to: height + amount, title });
      height += amount;
    }
  };
  series.forEach(({ value, billed }, index) => {
    const amount = billed.get(month.month) ?? '0';
    add(value, colourOf(index), Number(amount), `${value || 'none'}: ${money(amount, currency)}`);
  });
  add('rest', REST_COLOUR, Number(month.billed ?? 0) - height, 'all others');
  return parts;
}

/** Bars of a year's months, each made of what the largest values cost. */
export function MonthlyChart({ year, label }: { year: YearInCurrency; label: string }) {
  const id = useId();
  const { currency, months } = year;
  const bars = months.map(month => ({ ...month, parts: partsOf(year, month) }));
  const step = stepFor(Math.max(...bars.flatMap(({ parts }) => parts.map(({ to }) => to)), 0));
  const yOf = (amount: number) =>
    HEIGHT - BOTTOM - (amount / (step * TICKS)) * (HEIGHT - BOTTOM - TOP);
  const room = (WIDTH - LEFT) / months.length;
  return (
    <svg
      role="img"
      aria-labelledby={id}
      aria-describedby={`${id}-about`}
      className="costs-chart"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
    >
      <title id={id}>{label}</title>
      <desc id={`${id}-about`}>{months.map(month => monthText(month, currency)).join('; ')}</desc>
      <text x={LEFT - 8} y={TOP - 12} textAnchor="end">
        {currency}
      </text>
      {Array.from({ length: TICKS + 1 }, (_, i) => i * step).map(amount => (
        <g key={amount} className="costs-axis">
          <line x1={LEFT} x2={WIDTH} y1={yOf(amount)} y2={yOf(amount)} />
          <text x={LEFT - 8} y={yOf(amount) + 4} textAnchor="end">
            {tick(amount)}
          </text>
        </g>
      ))}
      {bars.map(({ month, billed, missing, parts }, index) => (
        <g key={month} transform={`translate(${LEFT + index * room}, 0)`}>
          {parts.map(({ key, className, from, to, title }) => (
            <rect
              key={key}
              className={missing ? `${className} costs-incomplete` : className}
              x={(room * (1 - BAR)) / 2}
              width={room * BAR}
              y={yOf(to)}
              height={yOf(from) - yOf(to)}
            >
              <title>{`${monthTitle(month)}, ${title}`}</title>
            </rect>
          ))}
          <text className="costs-month" x={room / 2} y={HEIGHT - BOTTOM + 18} textAnchor="middle">
            {monthTitle(month)}
          </text>
          {missing && (
            <text
              className="costs-note"
              x={room / 2}
              y={billed ? HEIGHT - BOTTOM + 34 : HEIGHT - BOTTOM - 8}
              textAnchor="middle"
            >
              {billed ? 'in part' : missing}
            </text>
          )}
        </g>
      ))}
    </svg>
  );
}
