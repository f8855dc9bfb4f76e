/** A table of text: first column left, the others right, thousands separated. */
export class Table {
  readonly #rows: string[][];

  constructor(head: string[]) {
    this.#rows = [head];
  }

  add(cells: (string | number)[]): void {
    this.#rows.push(
      cells.map((cell) => (typeof cell === "number" ? cell.toLocaleString("en-US") : cell)),
    );
  }

  toString(): string {
    const columns = this.#rows[0]?.length ?? 0;
    const widths = Array.from({ length: columns }, (_, column) =>
      Math.max(...this.#rows.map((row) => row[column]?.length ?? 0)),
    );
    const lines = this.#rows.map((row) =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          return column === 0 ? cell.padEnd(width) : cell.padStart(width);
        })
        .join("   "),
    );
    const rule = widths.map((width) => "─".repeat(width)).join("   ");
    return [lines[0], rule, ...lines.slice(1)].join("\n");
  }
}
