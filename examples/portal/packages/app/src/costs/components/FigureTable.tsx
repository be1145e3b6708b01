import { Cell, Column, Row, TableBody, TableHeader, TableRoot } from '@backstage/ui';
import type { ReactNode } from 'react';
import '../costs.css';

/** A column of a table of figures. */
export interface FigureColumn<T> {
  title: string;
  /** Shown in place of the title. */
  header?: ReactNode;
  cell: (row: T) => ReactNode;
  /** Numbers stand below each other at the right. */
  isNumber?: boolean;
  /** May take several lines. */
  isProse?: boolean;
}

/** A table whose first column names the rows. */
export function FigureTable<T>(props: {
  label: string;
  columns: Array<FigureColumn<T>>;
  rows: T[];
  idOf: (row: T) => string;
}) {
  const { label, columns, rows, idOf } = props;
  const classOf = ({ isNumber, isProse }: FigureColumn<T>) =>
    isNumber ? 'costs-number' : isProse ? 'costs-prose' : undefined;
  return (
    <div className="costs-table">
      <TableRoot aria-label={label}>
        <TableHeader>
          {columns.map((column, index) => (
            <Column
              key={column.title}
              id={column.title}
              isRowHeader={index === 0}
              className={classOf(column)}
            >
              {column.header ?? column.title}
            </Column>
          ))}
        </TableHeader>
        <TableBody>
          {rows.map(row => (
            <Row key={idOf(row)} id={idOf(row)}>
              {columns.map(column => (
                <Cell key={column.title} className={classOf(column)}>
                  {column.cell(row)}
                </Cell>
              ))}
            </Row>
          ))}
        </TableBody>
      </TableRoot>
    </div>
  );
}
