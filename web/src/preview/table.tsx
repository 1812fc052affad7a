// A table that is sorted by a click on the head of a column.
import { useComputed, useSignal } from "@preact/signals";
import { plural } from "../ui/format.js";
import { compareCells, numberOf, type Table } from "./csv.js";

const MOST_SHOWN = 500;

export function CsvTable({ table, name }: { table: Table; name: string }) {
  const order = useSignal<{ column: number; isDown: boolean } | null>(null);
  const rows = useComputed(() => {
    const by = order.value;
    if (by === null) return table.rows;
    const sorted = [...table.rows].sort((a, b) => compareCells(a[by.column] ?? "", b[by.column] ?? ""));
    return by.isDown ? sorted.reverse() : sorted;
  });
  const isNumber = table.columns.map((_, column) =>
    table.rows.slice(0, 50).every((row) => (row[column] ?? "") === "" || numberOf(row[column] ?? "") !== null),
  );
  const sort = (column: number) => {
    const { value } = order;
    if (value?.column !== column) order.value = { column, isDown: false };
    else order.value = value.isDown ? null : { column, isDown: true };
  };
  return (
    <div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls */}
      <section class="table-box is-bounded" tabIndex={0} aria-label={`Table of ${name}`}>
        <table class="table is-data">
          <thead>
            <tr>
              {table.columns.map((title, column) => (
                <th
                  key={column}
                  scope="col"
                  class={isNumber[column] ? "is-number" : ""}
                  aria-sort={order.value?.column !== column ? "none" : order.value.isDown ? "descending" : "ascending"}
                >
                  <button type="button" class="sort" onClick={() => sort(column)}>
                    {title === "" ? `column ${column + 1}` : title}
                    <span aria-hidden="true">
                      {order.value?.column !== column ? "" : order.value.isDown ? " ↓" : " ↑"}
                    </span>
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.value.slice(0, MOST_SHOWN).map((row, at) => (
              <tr key={at}>
                {table.columns.map((_, column) => (
                  <td key={column} class={isNumber[column] ? "is-number" : ""}>
                    {row[column] ?? ""}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      <p class="quiet preview-foot">
        {plural(table.rows.length, "row")}, {plural(table.columns.length, "column")}
        {table.rows.length > MOST_SHOWN && `; the first ${MOST_SHOWN} are shown`}
        {table.isCut && "; the file has more"}
      </p>
    </div>
  );
}
