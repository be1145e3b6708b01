import { Accordion, AccordionPanel, AccordionTrigger, Flex, Text } from '@backstage/ui';
import { money } from '../format';
import { monthTitle } from '../months';
import type { MonthCost, YearInCurrency } from '../year';
import { type FigureColumn, FigureTable } from './FigureTable';
import { colourOf, REST_COLOUR } from './MonthlyChart';
import { SubjectName } from './Subject';

/** Which colour of the chart is what. */
export function Legend({ year, none }: { year: YearInCurrency; none: string }) {
  return (
    <Flex gap="4" className="costs-legend" role="list" aria-label="Legend">
      {year.series.map(({ value }, index) => (
        <Text key={value} as="span" role="listitem" variant="body-small">
          <svg aria-hidden viewBox="0 0 10 10" width="10" height="10">
            <rect className={colourOf(index)} width="10" height="10" />
          </svg>
          <SubjectName value={value} none={none} />
        </Text>
      ))}
      {year.hasRest && (
        <Text as="span" role="listitem" variant="body-small">
          <svg aria-hidden viewBox="0 0 10 10" width="10" height="10">
            <rect className={REST_COLOUR} width="10" height="10" />
          </svg>
          all others
        </Text>
      )}
    </Flex>
  );
}

/** The chart's figures, for those who want them exact or cannot see it. */
export function MonthlyFigures({ year, none }: { year: YearInCurrency; none: string }) {
  const { currency, series, months } = year;
  const columns: Array<FigureColumn<MonthCost>> = [
    { title: 'Month', cell: ({ month }) => monthTitle(month) },
    {
      title: 'Everything',
      isNumber: true,
      cell: ({ billed }) => (billed ? money(billed, currency) : '–'),
    },
    { title: 'Bills', cell: ({ missing }) => missing ?? 'complete' },
    ...series.map(({ value, billed }) => ({
      title: value || none,
      header: <SubjectName value={value} none={none} />,
      isNumber: true,
      cell: ({ month }: MonthCost) => {
        const amount = billed.get(month);
        return amount ? money(amount, currency) : '–';
      },
    })),
  ];
  return (
    <Accordion>
      <AccordionTrigger title="Figures of the chart" />
      <AccordionPanel>
        <FigureTable
          label="Costs by month"
          columns={columns}
          rows={months}
          idOf={({ month }) => month}
        />
      </AccordionPanel>
    </Accordion>
  );
}
