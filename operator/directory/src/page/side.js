// The table of zones and the list of events beside the map.

import { colourOf } from "./colours.js";

const LISTED = 40;
const KINDS = { split: "#e3ecfb", merge: "#8fb4ff", slide: "#2dd4bf", move: "#a78bfa", retired: "#8294b4", fault: "#ff6b8b", note: "#8294b4" };

/** Makes the rows of the table show `zones`. Rows are kept, so that a reader's place in the table is, too. */
export function fillRows(body, zones, onPoint) {
  const rows = new Map([...body.children].filter((row) => row.dataset.shard).map((row) => [row.dataset.shard, row]));
  const most = Math.max(1, ...zones.map((zone) => zone.players));
  const fresh = rows.size > 0;
  if (!fresh) body.replaceChildren();
  zones.forEach((zone, index) => {
    const key = String(zone.id);
    let row = rows.get(key);
    rows.delete(key);
    if (!row) row = newRow(key, fresh, onPoint);
    if (body.children[index] !== row) body.insertBefore(row, body.children[index] ?? null);
    const [shard, name, players, tick, state] = row.cells;
    const colour = colourOf(zone.id);
    shard.firstChild.style.background = colour;
    set(shard.lastChild, `s${zone.id}`);
    set(name, zone.zone);
    set(players.lastChild, zone.players.toLocaleString("en"));
    players.firstChild.style.width = `${(zone.players / most) * 100}%`;
    players.firstChild.style.background = colour;
    set(tick, `${zone.tick_p99_ms.toFixed(1)} ms`);
    set(state, zone.state);
    state.dataset.state = zone.state;
  });
  for (const row of rows.values()) row.remove();
}

function newRow(key, fresh, onPoint) {
  const row = document.createElement("tr");
  row.dataset.shard = key;
  if (fresh) row.className = "new";
  for (const name of ["shard", "zone", "players n", "tick n", "state"]) {
    const cell = row.insertCell();
    cell.className = name;
  }
  const dot = document.createElement("span");
  dot.className = "dot";
  row.cells[0].append(dot, document.createElement("span"));
  row.cells[2].append(document.createElement("i"), document.createElement("b"));
  row.addEventListener("pointerenter", () => onPoint(Number(key)));
  row.addEventListener("pointerleave", () => onPoint(null));
  return row;
}

function set(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Puts an event on top of the list. */
export function listEvent(list, event) {
  list.querySelector(".empty")?.remove();
  const item = document.createElement("li");
  const kind = document.createElement("span");
  kind.className = "kind";
  kind.textContent = event.kind;
  kind.style.setProperty("--k", KINDS[event.kind] ?? KINDS.note);
  const text = document.createElement("p");
  text.textContent = event.text;
  const time = document.createElement("time");
  const at = new Date(event.t);
  time.dateTime = at.toISOString();
  time.textContent = at.toLocaleTimeString("en-GB");
  item.append(kind, text, time);
  list.prepend(item);
  while (list.children.length > LISTED) list.lastChild.remove();
}
