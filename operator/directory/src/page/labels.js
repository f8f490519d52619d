// The plate in the corner of each zone: its shard, how many stand in it and how long its ticks take.

import { faded } from "./colours.js";

const FONT = "Inter, 'Segoe UI', system-ui, sans-serif";

/** Draws the plates; a zone that is too small for a whole one gets its number of players, or nothing. */
export function drawLabels(g, boxes, width, height) {
  g.textBaseline = "alphabetic";
  for (const box of boxes) {
    // The plate stays in sight when the zone reaches beyond the edge of the canvas.
    const left = Math.max(box.x, 0);
    const top = Math.max(box.y, 0);
    const w = Math.min(box.x + box.w, width) - left;
    const h = Math.min(box.y + box.h, height) - top;
    if (w >= 118 && h >= 64) whole(g, box, left + 10, top + 10);
    else if (w >= 44 && h >= 30) small(g, box, left + 6, top + 6);
  }
}

function whole(g, { id, zone, colour }, x, y) {
  const players = zone.players.toLocaleString("en");
  const tick = `${zone.tick_p99_ms.toFixed(1)} ms`;
  const state = zone.state === "serving" ? "" : zone.state;
  g.font = `650 19px ${FONT}`;
  const big = g.measureText(players).width;
  g.font = `12px ${FONT}`;
  const under = `${zone.zone}  ·  ${tick}${state && "  ·  " + state}`;
  const w = Math.max(big + 34, g.measureText(under).width) + 22;
  plate(g, x, y, w, 48, colour);
  g.textAlign = "left";
  g.font = `650 19px ${FONT}`;
  g.fillStyle = "#fff";
  g.fillText(players, x + 11, y + 23);
  g.font = `600 11px ${FONT}`;
  g.fillStyle = colour;
  g.textAlign = "right";
  g.fillText(`s${id}`, x + w - 11, y + 20);
  g.textAlign = "left";
  g.font = `12px ${FONT}`;
  g.fillStyle = zone.tick_p99_ms > 16.6 ? "#ff9db3" : "#9fb2d4";
  g.fillText(under, x + 11, y + 39);
}

function small(g, { zone, colour }, x, y) {
  const players = String(zone.players);
  g.font = `650 12px ${FONT}`;
  plate(g, x, y, g.measureText(players).width + 12, 18, colour);
  g.textAlign = "left";
  g.fillStyle = "#fff";
  g.fillText(players, x + 6, y + 13);
}

function plate(g, x, y, w, h, colour) {
  g.beginPath();
  g.roundRect(x, y, w, h, 7);
  g.fillStyle = "rgba(6, 11, 22, .78)";
  g.fill();
  g.lineWidth = 1;
  g.strokeStyle = faded(colour, 0.35);
  g.stroke();
}
