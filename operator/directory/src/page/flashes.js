// What happens to the map, made visible: a new border lights up, a vanished one fades, ground that changed hands glows.

import { colourOf, faded } from "./colours.js";

const LAST_MS = 2600;
const MOST = 24;

export class Flashes {
  #list = [];

  /** Remembers what an event did; the picture after it shows where, so the place is looked up when it is drawn. */
  add(event, shown, now) {
    const before = event.shards.map((id) => shown.get(id)?.to);
    this.#list.push({ event, shown, before, since: now });
    if (this.#list.length > MOST) this.#list.shift();
  }

  draw(g, camera, now) {
    this.#list = this.#list.filter(({ since }) => now - since < LAST_MS);
    for (const flash of this.#list) {
      // A frame of the display may have begun before the event came.
      const age = Math.max(0, now - flash.since) / LAST_MS;
      const after = flash.event.shards.map((id) => flash.shown.get(id)?.to);
      const [a, b] = flash.event.kind === "merge" ? flash.before : after;
      if (flash.event.kind === "move" || flash.event.kind === "fault") {
        const ground = after.find(Boolean);
        if (ground) glow(g, camera, ground, "#ffffff", (1 - age) ** 2 * 0.3);
        continue;
      }
      if (b && flash.event.kind === "split") glow(g, camera, b, colourOf(flash.event.shards[1]), (1 - age) ** 3 * 0.28);
      const border = a && b && between(a, b);
      if (border) beam(g, camera, border, age, flash.event.kind === "merge" ? "#8fb4ff" : "#ffffff");
    }
  }
}

/** The line that two rectangles share. */
function between(a, b) {
  const y0 = Math.max(a[1], b[1]);
  const y1 = Math.min(a[3], b[3]);
  const x0 = Math.max(a[0], b[0]);
  const x1 = Math.min(a[2], b[2]);
  if ((a[2] === b[0] || b[2] === a[0]) && y0 < y1) return [x1, y0, x1, y1];
  if ((a[3] === b[1] || b[3] === a[1]) && x0 < x1) return [x0, y1, x1, y1];
  return null;
}

/** A line of light that runs out from its middle and fades. */
function beam(g, camera, [x0, y0, x1, y1], age, colour) {
  const run = Math.min(1, age * 7);
  const out = 1 - (1 - run) ** 3;
  const mx = (x0 + x1) / 2;
  const my = (y0 + y1) / 2;
  const ax = camera.x(mx + (x0 - mx) * out);
  const ay = camera.y(my + (y0 - my) * out);
  const bx = camera.x(mx + (x1 - mx) * out);
  const by = camera.y(my + (y1 - my) * out);
  const light = (1 - age) ** 2;
  g.globalCompositeOperation = "lighter";
  g.lineCap = "round";
  for (const [width, alpha] of [[26, 0.1], [12, 0.22], [2.5, 1]]) {
    g.lineWidth = width;
    g.strokeStyle = faded(colour, alpha * light);
    g.beginPath();
    g.moveTo(ax, ay);
    g.lineTo(bx, by);
    g.stroke();
  }
  g.lineCap = "butt";
  g.globalCompositeOperation = "source-over";
}

function glow(g, camera, [x0, y0, x1, y1], colour, alpha) {
  g.fillStyle = faded(colour, alpha);
  g.fillRect(camera.x(x0), camera.y(y1), (x1 - x0) * camera.scale, (y1 - y0) * camera.scale);
}
