import { Text } from '@backstage/ui';
import { type FigureColumn, FigureTable } from './FigureTable';
import { Loaded, type LoadState } from './Loaded';
import { Section } from './Section';

/** Rows of a table, and which of the entities that they name the catalog has. */
export interface Figures<T> {
  rows: T[];
  known?: Set<string>;
}

/** A section with one table, or a sentence where it would have no row. */
export function FigureSection<T>(props: {
  title: string;
  state: LoadState<Figures<T>>;
  columns: (known: Set<string>) => Array<FigureColumn<T>>;
  idOf: (row: T) => string;
  empty: string;
}) {
  const { title, state, columns, idOf, empty } = props;
  return (
    <Section title={title}>
      <Loaded state={state}>
        {({ rows, known = new Set<string>() }) =>
          rows.length === 0 ? (
            <Text as="p">{empty}</Text>
          ) : (
            <FigureTable label={title} columns={columns(known)} rows={rows} idOf={idOf} />
          )
        }
      </Loaded>
    </Section>
  );
}
