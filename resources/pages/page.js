"use strict";
// A click on the head of a column sorts its table: upwards, then downwards, then as it was. page.py gives each cell its
// rank in its column; a cell without one has no value, and is last in either direction.

const NEXT = { none: "ascending", ascending: "descending", descending: "none" };

function inOrder(rows, column, direction) {
  if (direction === "none") return rows;
  const sign = direction === "ascending" ? 1 : -1;
  const place = ({ cells }) => {
    const { rank } = cells[column].dataset;
    return rank === undefined ? Infinity : sign * Number(rank);
  };
  return [...rows].sort((one, other) => place(one) - place(other) || 0); // of two infinities, NaN
}

function sortable(table) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...body.rows];
  heads.forEach((head, column) => {
    if (!head.textContent) return; // a button needs a name
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.onclick = () => {
      const direction = NEXT[head.getAttribute("aria-sort") ?? "none"];
      for (const each of heads) each.removeAttribute("aria-sort");
      if (direction !== "none") head.setAttribute("aria-sort", direction);
      body.append(...inOrder(rows, column, direction));
    };
    head.append(button);
  });
}

for (const table of document.querySelectorAll("table")) if (table.tBodies[0]?.rows.length > 1) sortable(table);
