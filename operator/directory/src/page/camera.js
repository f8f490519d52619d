// What part of the world the map shows: all of it, until somebody zooms or drags.

const CLOSEST = 60;

export class Camera {
  #bounds = null;
  zoom = 1;
  #x = 0.5;
  #y = 0.5;
  scale = 1;
  #left = 0;
  #top = 0;
  #size = [1, 1];

  constructor(canvas) {
    canvas.addEventListener("wheel", (e) => {
      e.preventDefault();
      this.#zoomAt(Math.exp(-e.deltaY * 0.0016), e.offsetX, e.offsetY);
    }, { passive: false });
    const pointers = new Map();
    canvas.addEventListener("pointerdown", (e) => {
      canvas.setPointerCapture(e.pointerId);
      pointers.set(e.pointerId, [e.offsetX, e.offsetY]);
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (e) => pointers.delete(e.pointerId));
    canvas.addEventListener("pointermove", (e) => {
      const was = pointers.get(e.pointerId);
      if (!was) return;
      const other = [...pointers].find(([id]) => id !== e.pointerId)?.[1];
      if (other) {
        const apart = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
        this.#zoomAt(apart([e.offsetX, e.offsetY]) / apart(was), other[0], other[1]);
      } else {
        this.#move(e.offsetX - was[0], e.offsetY - was[1]);
      }
      pointers.set(e.pointerId, [e.offsetX, e.offsetY]);
    });
    canvas.addEventListener("dblclick", () => this.reset());
    canvas.addEventListener("keydown", (e) => {
      const [w, h] = this.#size;
      const act = {
        "+": () => this.#zoomAt(1.3, w / 2, h / 2), "=": () => this.#zoomAt(1.3, w / 2, h / 2),
        "-": () => this.#zoomAt(1 / 1.3, w / 2, h / 2), "0": () => this.reset(),
        ArrowLeft: () => this.#move(40, 0), ArrowRight: () => this.#move(-40, 0),
        ArrowUp: () => this.#move(0, 40), ArrowDown: () => this.#move(0, -40),
      }[e.key];
      if (act) { e.preventDefault(); act(); }
    });
  }

  reset() { this.zoom = 1; this.#x = this.#y = 0.5; this.#place(); }

  /** Fits the world into a canvas of `width` × `height` CSS pixels. */
  fit(bounds, width, height) {
    this.#bounds = bounds;
    this.#size = [width, height];
    this.#place();
  }

  /** Canvas x of a world x in metres. */
  x(metres) { return this.#left + (metres - this.#bounds[0]) * this.scale; }

  /** Canvas y of a world y in metres: north is up. */
  y(metres) { return this.#top + (this.#bounds[3] - metres) * this.scale; }

  /** The world's place under a point of the canvas, in metres. */
  place(x, y) { return [this.#bounds[0] + (x - this.#left) / this.scale, this.#bounds[3] - (y - this.#top) / this.scale]; }

  #place() {
    if (!this.#bounds) return;
    const [x0, y0, x1, y1] = this.#bounds;
    const [w, h] = this.#size;
    const margin = Math.min(w, h) * 0.04 + 8;
    this.scale = this.zoom * Math.max(1e-6, Math.min((w - 2 * margin) / (x1 - x0), (h - 2 * margin) / (y1 - y0)));
    this.#left = w / 2 - this.#x * (x1 - x0) * this.scale;
    this.#top = h / 2 - this.#y * (y1 - y0) * this.scale;
  }

  #move(dx, dy) {
    if (!this.#bounds) return;
    const [x0, y0, x1, y1] = this.#bounds;
    this.#x = Math.min(1, Math.max(0, this.#x - dx / ((x1 - x0) * this.scale)));
    this.#y = Math.min(1, Math.max(0, this.#y - dy / ((y1 - y0) * this.scale)));
    this.#place();
  }

  #zoomAt(factor, x, y) {
    if (!this.#bounds) return;
    const [mx, my] = this.place(x, y);
    this.zoom = Math.min(CLOSEST, Math.max(1, this.zoom * factor));
    if (this.zoom === 1) return this.reset();
    this.#place();
    this.#move(x - this.x(mx), y - this.y(my));
  }
}
