// The page: takes pictures from the stream, hands them to the map, the charts, the table and the list of events.
//
// For tests and tools the map's element says what it shows: data-zones, data-dots, data-events, data-link.

import { Chart, Series } from "./charts.js";
import { colourOf, keepColours } from "./colours.js";
import { listen } from "./feed.js";
import { WorldMap } from "./map.js";
import { fillRows, listEvent } from "./side.js";
import { Tracks } from "./tracks.js";

const DESCRIBE_EVERY_MS = 5000;
const $ = (id) => document.getElementById(id);

const canvas = $("map");
const tracks = new Tracks();
const series = new Series();
const map = new WorldMap(canvas, light);
const ccu = new Chart($("ccu"), {
  value: (s) => s[1], colour: "#4cc9f0", least: 10, steps: (s) => s[3],
  text: (s) => `${s[1]} players in ${s[3]} zone${s[3] === 1 ? "" : "s"}`,
});
const ticks = new Chart($("ticks"), {
  value: (s) => s[2], colour: "#a78bfa", least: 17, lines: [[16.67, "a tick, 16.7 ms"]],
  text: (s) => `${s[2].toFixed(1)} ms in the slowest zone`,
});

let frame = null;
let lastEvent = 0;
let described = 0;
let link = "";

listen("/v1/world/stream", (next) => {
  const now = performance.now();
  const first = frame === null;
  // A number that went back means another server, or the same one after a restart: what it says is all new.
  const newest = next.events.at(-1)?.n ?? 0;
  if (newest < lastEvent) lastEvent = 0;
  frame = next;
  keepColours(new Set(next.zones.map((zone) => zone.id)));
  const events = next.events.filter((event) => event.n > lastEvent);
  // A merge is remembered with the ground as it was, so events come before the zones of the same picture.
  for (const event of events) {
    lastEvent = event.n;
    series.mark(event);
    listEvent($("events"), event);
    if (!first) map.happened(event, now);
  }
  map.take(next, now);
  tracks.push(next, now);
  series.add(next.series);
  figures(next, now);
}, (state) => {
  if (state === link) return;
  link = state;
  $("link").dataset.state = canvas.dataset.link = state;
  $("link").textContent = { connecting: "connecting", live: "live", lost: "connection lost" }[state];
  canvas.parentElement.classList.toggle("lost", state === "lost");
  $("banner").hidden = state !== "lost";
  $("banner").textContent = state === "lost" ? "Connection lost, trying again" : "";
});

function figures(world, now) {
  const grounds = world.zones.filter((zone) => zone.bounds).length;
  $("players").textContent = world.players.toLocaleString("en");
  $("zones").textContent = grounds;
  $("standby").textContent = world.standby;
  $("tick").textContent = world.tick_p99_ms.toFixed(1);
  $("revision").textContent = world.revision;
  fillRows($("rows"), world.zones, light);
  canvas.dataset.zones = grounds;
  canvas.dataset.dots = world.dots.length >> 2;
  canvas.dataset.events = lastEvent;
  if (now - described > DESCRIBE_EVERY_MS || described === 0) {
    described = now;
    canvas.setAttribute("aria-label", `Map of the world: ${grounds} zones, ${world.players} players. The table beside it lists the zones.`);
  }
}

function light(shard) {
  if (map.lit === shard) return;
  map.lit = shard;
  for (const row of $("rows").children) row.classList.toggle("lit", row.dataset.shard === String(shard));
}

let charted = 0;
function paint(now) {
  requestAnimationFrame(paint);
  if (!frame) return;
  map.draw(frame, tracks.at(now), now);
  // The charts move once a second; four times is enough for the pointer.
  if (now - charted > 250) {
    charted = now;
    $("ccu-now").textContent = ccu.draw(series);
    $("tick-now").textContent = ticks.draw(series);
  }
}
requestAnimationFrame(paint);
