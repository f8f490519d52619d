// Draws the world: zones, the borders between them, players, and what happens to the map.

import { Camera } from "./camera.js";
import { colourOf, faded } from "./colours.js";
import { Flashes } from "./flashes.js";
import { drawLabels } from "./labels.js";

const EASE_MS = 320;
const still = matchMedia("(prefers-reduced-motion: reduce)");

export class WorldMap {
  /** The shard that is pointed at, here or in the table. */
  lit = null;
  #canvas;
  #camera;
  #flashes = new Flashes();
  #shown = new Map();
  #sprites = new Map();
  #size = [0, 0, 1];

  constructor(canvas, onPoint) {
    this.#canvas = canvas;
    this.#camera = new Camera(canvas);
    new ResizeObserver(() => this.#resize()).observe(canvas);
    this.#resize();
    canvas.addEventListener("pointermove", (e) => onPoint(this.#shardAt(e.offsetX, e.offsetY)));
    canvas.addEventListener("pointerleave", () => onPoint(null));
  }

  /** Notes an event that has just happened. */
  happened(event, now) {
    if (!still.matches) this.#flashes.add(event, this.#shown, now);
  }

  /** Takes the zones of a new picture; their borders slide to where they are now. */
  take(frame, now) {
    const first = this.#shown.size === 0;
    const alive = new Set();
    for (const zone of frame.zones) {
      if (!zone.bounds) continue;
      alive.add(zone.id);
      const was = this.#shown.get(zone.id);
      if (!was) {
        this.#shown.set(zone.id, { id: zone.id, zone, from: zone.bounds, to: zone.bounds, since: now, born: first ? -1e9 : now });
      } else {
        if (was.to.some((side, i) => side !== zone.bounds[i])) {
          was.from = sides(was, now);
          was.to = zone.bounds;
          was.since = now;
        }
        was.zone = zone;
      }
    }
    for (const id of this.#shown.keys()) if (!alive.has(id)) this.#shown.delete(id);
  }

  /** Draws everything as it is at `now`. */
  draw(frame, moment, now) {
    const [width, height, ratio] = this.#size;
    const g = this.#canvas.getContext("2d");
    const camera = this.#camera;
    camera.fit(frame.bounds, width, height);
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, width, height);
    drawGrid(g, camera, frame.bounds, width, height);
    const boxes = [...this.#shown.values()].map((shown) => this.#box(shown, now));
    for (const box of boxes) this.#drawZone(g, box, now);
    if (moment) this.#drawDots(g, frame, moment);
    this.#flashes.draw(g, camera, now);
    drawLabels(g, boxes, width, height);
  }

  #box(shown, now) {
    const [x0, y0, x1, y1] = sides(shown, now);
    const camera = this.#camera;
    return {
      id: shown.id, zone: shown.zone, colour: colourOf(shown.id), age: Math.max(0, now - shown.born),
      x: camera.x(x0), y: camera.y(y1), w: (x1 - x0) * camera.scale, h: (y1 - y0) * camera.scale,
    };
  }

  #drawZone(g, box, now) {
    const { x, y, w, h, colour } = box;
    const lit = this.lit === box.id;
    const serving = box.zone.state === "serving";
    const fresh = still.matches ? 0 : Math.max(0, 1 - box.age / 1800);
    const fill = g.createLinearGradient(x, y, x, y + h);
    fill.addColorStop(0, faded(colour, 0.13 + 0.3 * fresh + (lit ? 0.07 : 0)));
    fill.addColorStop(1, faded(colour, 0.05 + 0.3 * fresh + (lit ? 0.07 : 0)));
    g.fillStyle = fill;
    g.fillRect(x, y, w, h);
    // The border lies half a pixel inside, so that two neighbours show two lines and no colour covers the other.
    const inset = 1.5;
    g.save();
    g.beginPath();
    g.rect(x, y, w, h);
    g.clip();
    g.strokeStyle = faded(colour, 0.16);
    g.lineWidth = 14;
    g.strokeRect(x, y, w, h);
    g.restore();
    g.strokeStyle = faded(colour, lit ? 1 : 0.8);
    g.lineWidth = lit ? 2.5 : 1.5;
    g.setLineDash(serving ? [] : [7, 6]);
    g.lineDashOffset = still.matches ? 0 : -now / 60;
    g.strokeRect(x + inset, y + inset, Math.max(0, w - 2 * inset), Math.max(0, h - 2 * inset));
    g.setLineDash([]);
  }

  #drawDots(g, frame, { picture, part }) {
    const camera = this.#camera;
    const radius = Math.min(8, Math.max(2.6, 2.2 + camera.scale * 0.6));
    const colours = picture.zones.map((zone) => colourOf(zone.id));
    const sprites = colours.map((colour) => this.#sprite(colour, radius));
    const [left, bottom] = frame.bounds;
    const { x, y, fromX, fromY, zone, count } = picture;
    const size = sprites[0]?.size ?? 0;
    const xs = (i) => camera.x(left + fromX[i] + (x[i] - fromX[i]) * part);
    const ys = (i) => camera.y(bottom + fromY[i] + (y[i] - fromY[i]) * part);
    if (!still.matches) trails(g, picture, colours, xs, ys, camera.scale);
    // Light adds up where many stand; the dots themselves cover each other, or a crowd would be a white spot without colour.
    const half = size / 2;
    const draw = (kind) => {
      for (let i = 0; i < count; i++) {
        const sprite = sprites[zone[i]];
        if (sprite) g.drawImage(sprite[kind], xs(i) - half, ys(i) - half, size, size);
      }
    };
    g.globalCompositeOperation = "lighter";
    g.globalAlpha = Math.min(1, 250 / count);
    draw("glow");
    g.globalCompositeOperation = "source-over";
    g.globalAlpha = 1;
    draw("dot");
  }

  /** A dot and its glow, painted once per colour and size. */
  #sprite(colour, radius) {
    const ratio = this.#size[2];
    const key = `${colour} ${radius.toFixed(1)} ${ratio}`;
    let sprite = this.#sprites.get(key);
    if (sprite) return sprite;
    if (this.#sprites.size > 200) this.#sprites.clear();
    const size = radius * 5;
    const edge = Math.ceil(size * ratio);
    const middle = edge / 2;
    const glow = painted(edge, (g) => {
      const light = g.createRadialGradient(middle, middle, 0, middle, middle, middle);
      light.addColorStop(0, faded(colour, 0.5));
      light.addColorStop(0.4, faded(colour, 0.14));
      light.addColorStop(1, faded(colour, 0));
      g.fillStyle = light;
      g.fillRect(0, 0, edge, edge);
    });
    const dot = painted(edge, (g) => {
      for (const [share, fill] of [[0.86, "rgba(6, 11, 22, .45)"], [0.7, colour], [0.26, "rgba(255, 255, 255, .8)"]]) {
        g.beginPath();
        g.arc(middle, middle, radius * share * ratio, 0, 2 * Math.PI);
        g.fillStyle = fill;
        g.fill();
      }
    });
    sprite = { glow, dot, size };
    this.#sprites.set(key, sprite);
    return sprite;
  }

  #shardAt(x, y) {
    if (this.#shown.size === 0) return null;
    const [mx, my] = this.#camera.place(x, y);
    for (const { id, to } of this.#shown.values()) {
      if (to[0] <= mx && mx < to[2] && to[1] <= my && my < to[3]) return id;
    }
    return null;
  }

  #resize() {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const { clientWidth, clientHeight } = this.#canvas;
    this.#canvas.width = Math.round(clientWidth * ratio);
    this.#canvas.height = Math.round(clientHeight * ratio);
    this.#size = [clientWidth, clientHeight, ratio];
  }
}

/** A small square canvas with something on it. */
function painted(edge, paint) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = edge;
  paint(canvas.getContext("2d"));
  return canvas;
}

/** The rectangle of a zone while its border is on its way. */
function sides({ from, to, since }, now) {
  // A frame of the display may have begun before the picture came.
  const part = still.matches ? 1 : Math.min(1, Math.max(0, (now - since) / EASE_MS));
  if (part === 1) return to;
  const eased = 1 - (1 - part) ** 3;
  return to.map((side, i) => from[i] + (side - from[i]) * eased);
}

/** A short stroke behind each dot that moves: about the last second and a half of its way. */
function trails(g, picture, colours, xs, ys, scale) {
  const { x, y, fromX, fromY, zone, count } = picture;
  const reach = 9 * scale;
  g.lineWidth = 1;
  colours.forEach((colour, index) => {
    g.strokeStyle = faded(colour, 0.3);
    g.beginPath();
    for (let i = 0; i < count; i++) {
      if (zone[i] !== index) continue;
      const dx = x[i] - fromX[i];
      const dy = y[i] - fromY[i];
      if (dx === 0 && dy === 0) continue;
      const length = Math.min(14, reach) / Math.hypot(dx, dy);
      const px = xs(i);
      const py = ys(i);
      g.moveTo(px, py);
      g.lineTo(px - dx * length, py + dy * length);
    }
    g.stroke();
  });
}

/** Lines at round distances, the edge of the world and a scale. */
function drawGrid(g, camera, [x0, y0, x1, y1], width, height) {
  const step = roundStep(90 / camera.scale);
  const left = camera.x(x0);
  const right = camera.x(x1);
  const top = camera.y(y1);
  const bottom = camera.y(y0);
  g.strokeStyle = "rgba(120, 150, 210, .07)";
  g.lineWidth = 1;
  g.beginPath();
  for (let x = Math.ceil(x0 / step) * step; x <= x1; x += step) {
    const at = Math.round(camera.x(x)) + 0.5;
    if (at < 0 || at > width) continue;
    g.moveTo(at, top);
    g.lineTo(at, bottom);
  }
  for (let y = Math.ceil(y0 / step) * step; y <= y1; y += step) {
    const at = Math.round(camera.y(y)) + 0.5;
    if (at < 0 || at > height) continue;
    g.moveTo(left, at);
    g.lineTo(right, at);
  }
  g.stroke();
  const long = step * camera.scale;
  g.strokeStyle = g.fillStyle = "rgba(150, 172, 214, .6)";
  g.beginPath();
  g.moveTo(14.5, height - 18);
  g.lineTo(14.5, height - 13.5);
  g.lineTo(14.5 + long, height - 13.5);
  g.lineTo(14.5 + long, height - 18);
  g.stroke();
  g.font = "11px Inter, system-ui, sans-serif";
  g.textAlign = "left";
  g.textBaseline = "alphabetic";
  g.fillText(step >= 1000 ? `${step / 1000} km` : `${step} m`, 20, height - 19);
}

/** The nearest of 1, 2, 5 × 10ⁿ that is not smaller. */
function roundStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= least) ?? power * 10;
}
