// The course of the figures: two small charts over the same time, with the map's events as marks.

const KEPT = 600;
const SHORTEST_MS = 60_000;
const MARKS = { split: "#ffffff", merge: "#8fb4ff", slide: "#2dd4bf", fault: "#ff6b8b" };
const FONT = "11px Inter, system-ui, sans-serif";

/** The samples of both charts, merged by time: frames repeat the newest few. */
export class Series {
  list = [];
  marks = [];

  add(samples) {
    for (const sample of samples) {
      if (this.list.length && sample[0] <= this.list.at(-1)[0]) continue;
      this.list.push(sample);
    }
    if (this.list.length > KEPT) this.list.splice(0, this.list.length - KEPT);
  }

  mark(event) {
    if (MARKS[event.kind]) this.marks.push(event);
    if (this.marks.length > 100) this.marks.shift();
  }
}

export class Chart {
  #canvas;
  #options;
  #pointer = null;
  #size = [0, 0, 1];

  /** `options`: value(sample), colour, least (top of the axis at least), lines [[value, label]], steps(sample)?, text(sample). */
  constructor(canvas, options) {
    this.#canvas = canvas;
    this.#options = options;
    new ResizeObserver(() => this.#resize()).observe(canvas);
    this.#resize();
    canvas.addEventListener("pointermove", (e) => { this.#pointer = e.offsetX; });
    canvas.addEventListener("pointerleave", () => { this.#pointer = null; });
  }

  /** Draws the series and returns the sentence for its figures. */
  draw(series) {
    const [width, height, ratio] = this.#size;
    const g = this.#canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, width, height);
    const { list, marks } = series;
    if (list.length === 0 || width < 60 || height < 30) return "";
    const { value, colour, least, lines = [], steps, text } = this.#options;
    const end = list.at(-1)[0];
    const start = Math.min(list[0][0], end - SHORTEST_MS);
    const top = niceTop(Math.max(least, ...list.map(value)));
    const area = { left: 34, right: width - (steps ? 26 : 8), top: 8, bottom: height - 18 };
    const x = (t) => area.left + ((t - start) / (end - start)) * (area.right - area.left);
    const y = (v) => area.bottom - (v / top) * (area.bottom - area.top);
    axes(g, area, top, y, start, end, x);
    for (const event of marks) {
      if (event.t < start || event.t > end) continue;
      g.fillStyle = MARKS[event.kind];
      g.globalAlpha = 0.28;
      g.fillRect(x(event.t), area.top, 1, area.bottom - area.top);
      g.globalAlpha = 1;
      g.fillRect(x(event.t) - 1.5, area.top - 3, 4, 4);
    }
    for (const [v, label] of lines) limit(g, area, y(v), label, v <= top);
    if (steps) stairs(g, area, list, steps, x);
    curve(g, area, list.map((s) => [x(s[0]), y(value(s))]), colour);
    const shown = this.#pointer === null ? list.at(-1) : nearest(list, start + ((this.#pointer - area.left) / (area.right - area.left)) * (end - start));
    g.beginPath();
    g.arc(x(shown[0]), y(value(shown)), 3, 0, 7);
    g.fillStyle = "#fff";
    g.fill();
    const ago = Math.round((end - shown[0]) / 1000);
    return text(shown) + (this.#pointer === null || ago === 0 ? "" : `, ${ago} s ago`);
  }

  #resize() {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const { clientWidth, clientHeight } = this.#canvas;
    this.#canvas.width = Math.round(clientWidth * ratio);
    this.#canvas.height = Math.round(clientHeight * ratio);
    this.#size = [clientWidth, clientHeight, ratio];
  }
}

function axes(g, area, top, y, start, end, x) {
  g.font = FONT;
  g.lineWidth = 1;
  g.textAlign = "right";
  g.textBaseline = "middle";
  for (const v of [0, top / 2, top]) {
    g.fillStyle = "#50607f";
    g.fillText(v >= 10 ? String(Math.round(v)) : String(Number(v.toFixed(1))), area.left - 7, y(v));
    g.fillStyle = "rgba(120, 150, 210, .09)";
    g.fillRect(area.left, Math.round(y(v)), area.right - area.left, 1);
  }
  const span = end - start;
  const step = [10, 15, 30, 60, 120, 300].map((s) => s * 1000).find((s) => span / s <= 6) ?? 600_000;
  g.textAlign = "center";
  g.textBaseline = "alphabetic";
  g.fillStyle = "#50607f";
  for (let ago = 0; ago <= span; ago += step) {
    const at = x(end - ago);
    if (at < area.left + 12) break;
    const label = ago === 0 ? "now" : ago % 60_000 === 0 ? `−${ago / 60_000} min` : `−${ago / 1000} s`;
    g.textAlign = ago === 0 ? "right" : "center";
    g.fillText(label, at, area.bottom + 14);
  }
}

function curve(g, area, points, colour) {
  g.beginPath();
  points.forEach(([px, py], i) => (i ? g.lineTo(px, py) : g.moveTo(px, py)));
  g.lineJoin = "round";
  g.lineWidth = 1.8;
  g.strokeStyle = colour;
  g.stroke();
  g.lineTo(points.at(-1)[0], area.bottom);
  g.lineTo(points[0][0], area.bottom);
  const fill = g.createLinearGradient(0, area.top, 0, area.bottom);
  fill.addColorStop(0, colour + "55");
  fill.addColorStop(1, colour + "05");
  g.fillStyle = fill;
  g.fill();
}

/** The number of zones as a stair with its own scale on the right. */
function stairs(g, area, list, steps, x) {
  const most = Math.max(2, ...list.map(steps));
  const y = (n) => area.bottom - (n / (most + 0.5)) * (area.bottom - area.top);
  g.beginPath();
  list.forEach((s, i) => {
    if (i) g.lineTo(x(s[0]), y(steps(list[i - 1])));
    g[i ? "lineTo" : "moveTo"](x(s[0]), y(steps(s)));
  });
  g.lineWidth = 1.5;
  g.strokeStyle = "#ffb454";
  g.stroke();
  g.fillStyle = "#c58f4a";
  g.textAlign = "left";
  g.textBaseline = "middle";
  for (const n of new Set([1, Math.ceil(most / 2), most])) g.fillText(String(n), area.right + 8, y(n));
}

function limit(g, area, y, label, visible) {
  if (!visible) return;
  g.setLineDash([4, 4]);
  g.strokeStyle = "rgba(255, 107, 139, .55)";
  g.lineWidth = 1;
  g.beginPath();
  g.moveTo(area.left, y);
  g.lineTo(area.right, y);
  g.stroke();
  g.setLineDash([]);
  g.fillStyle = "#c9647e";
  g.textAlign = "left";
  g.textBaseline = "alphabetic";
  g.fillText(label, area.left + 6, y - 4);
}

function nearest(list, t) {
  return list.reduce((best, s) => (Math.abs(s[0] - t) < Math.abs(best[0] - t) ? s : best));
}

/** The top of an axis: round, and with room above the highest value. */
function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((n) => n * power).find((n) => n >= value * 1.08) ?? 15 * power;
}
