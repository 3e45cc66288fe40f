// Draws the range in cells of one port or, if it is large, of several. A cell is filled as far as its
// ports are registered, in the colours of their states.

import { number, put } from "./dom.js";

const STATES = ["running", "idle", "blocked", "unknown"];
/** More cells would look alike. */
const MAX_CELLS = 1600;
/** The room for the port at the start of a line, and the sizes of a cell, in pixels. */
const [GUTTER, SMALL, LARGE] = [44, 5, 7];

const map = document.getElementById("map");
/** What is drawn: `cells` count their ports in each state, `names` has the service of a port. */
let drawn = { min: 0, max: 0, ports: 1, cells: [], names: new Map() };

/** Draws the answer of `/v1/services`. */
export function drawRange({ services, pool: { min, max, used, free } }) {
  const size = max - min + 1;
  const ports = [1, 2, 5, 10, 20, 50].find((ports) => size / ports <= MAX_CELLS);
  const cells = Array.from({ length: Math.ceil(size / ports) }, () => [0, 0, 0, 0]);
  const totals = [0, 0, 0, 0];
  const names = new Map();
  for (const { name, port, state } of services) {
    const kind = STATES.indexOf(state ?? "unknown");
    totals[kind] += 1;
    names.set(port, `${name}, ${state}`);
    if (port >= min && port <= max) cells[Math.floor((port - min) / ports)][kind] += 1;
  }
  drawn = { min, max, ports, cells, names };
  draw();

  const outside = services.length - used;
  put("used", number(used));
  put("free", number(free));
  put("outside", outside > 0 ? `and ${number(outside)} outside` : "");
  put("span", `${min}–${max}`);
  STATES.forEach((state, kind) => put(document.querySelector(`#legend .${state} b`), number(totals[kind])));
}

/** Returns the largest round number of columns that fits, and the size of a cell. */
function grid() {
  const width = map.parentElement.clientWidth - GUTTER;
  const columns = [200, 100, 50, 40].find((columns) => width / columns >= SMALL) ?? 25;
  return { columns, pitch: Math.min(width / columns, LARGE) };
}

function draw() {
  const { min, max, ports, cells } = drawn;
  const { columns, pitch } = grid();
  const side = pitch * 0.8;
  const outlines = ["", "", "", "", ""];
  const box = (kind, x, y, height) => (outlines[kind] += `M${x} ${y}h${side}v${height}h${-side}z`);
  cells.forEach((counts, cell) => {
    const x = GUTTER + (cell % columns) * pitch;
    let y = Math.floor(cell / columns) * pitch;
    box(4, x, y, side);
    const inCell = Math.min(ports, max - min + 1 - cell * ports);
    counts.forEach((count, kind) => {
      if (count === 0) return;
      // Even one port of many must be visible.
      const height = Math.max(1.5, (side * count) / inCell);
      box(kind, x, y, height);
      y += height;
    });
  });
  const shapes = [4, 0, 1, 2, 3].map((kind) => shape("path", { class: STATES[kind] ?? "free", d: outlines[kind] }));
  // Every line shows its first port if there is room.
  const lines = Math.ceil(cells.length / columns);
  for (let line = 0; line < lines; line += Math.ceil(10 / pitch)) {
    const text = shape("text", { y: line * pitch + side });
    text.textContent = min + line * columns * ports;
    shapes.push(text);
  }
  map.setAttribute("height", lines * pitch);
  map.replaceChildren(...shapes);
}

function shape(tag, attributes) {
  const created = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) created.setAttribute(name, value);
  return created;
}

/** Describes the ports below the pointer; the table shows the same. */
function describe({ offsetX, offsetY }) {
  const { columns, pitch } = grid();
  const column = Math.floor((offsetX - GUTTER) / pitch);
  const cell = Math.floor(offsetY / pitch) * columns + column;
  const counts = column >= 0 && column < columns && drawn.cells[cell];
  if (!counts) return "";
  const { min, ports, names } = drawn;
  const first = min + cell * ports;
  return ports === 1 ? `${first} ${names.get(first) ?? "free"}` : `${first} to ${first + ports - 1}: ${counts.reduce((a, b) => a + b)} used`;
}

map.addEventListener("pointermove", (event) => put("pointed", describe(event)));
map.addEventListener("pointerleave", () => put("pointed", ""));
new ResizeObserver(draw).observe(map.parentElement);
