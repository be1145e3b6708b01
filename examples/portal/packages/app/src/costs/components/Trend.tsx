import '../costs.css';
import { monthText } from '../format';
import type { MonthCost } from '../year';
import { colourOf } from './MonthlyChart';

const ROOM = 20;
const HEIGHT = 40;

/** A year of months as small bars; what was not delivered has none. */
export function Trend({ currency, months }: { currency: string; months: MonthCost[] }) {
  const amounts = months.map(({ billed }) => Math.max(0, Number(billed ?? 0)));
  const highest = Math.max(...amounts) || 1;
  const texts = months.map(month => monthText(month, currency));
  return (
    <svg
      role="img"
      aria-label={`Billed by month: ${texts.join('; ')}`}
      className="costs-chart costs-trend"
      preserveAspectRatio="xMinYMax"
      viewBox={`0 0 ${ROOM * months.length} ${HEIGHT}`}
    >
      {months.map(({ month, missing }, index) => {
        const height = (amounts[index] / highest) * HEIGHT;
        return (
          <rect
            key={month}
            className={missing ? `${colourOf(0)} costs-incomplete` : colourOf(0)}
            x={index * ROOM}
            y={HEIGHT - height}
            width={ROOM - 4}
            height={height}
          >
            <title>{texts[index]}</title>
          </rect>
        );
      })}
    </svg>
  );
}
