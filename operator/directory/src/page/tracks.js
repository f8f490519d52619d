// Where every dot is between two pictures.
//
// Pictures come about ten times a second and the page draws sixty, so it draws the world a little late: at any moment it
// lies between two pictures, and each dot on the line between its places in them. The dots of a picture are matched with
// those of the one before when it arrives, so that drawing costs a multiplication per dot and no look-up.

/** Units of a dot's coordinates in a metre. */
export const DOT_UNITS = 4;
/** How late the world is drawn: two pictures at eight a second and some jitter. */
const LATE_MS = 280;
/** A dot that moved farther than this between two pictures was not walking: it is drawn where it went. */
const JUMP = 40 * DOT_UNITS;
/** Pictures that are kept: enough for a late frame of the display. */
const KEPT = 12;

export class Tracks {
  #pictures = [];
  #offset = null;

  /** Takes a picture. `dots` is a flat list: handle, x, y, zone, … */
  push(frame, now) {
    const before = this.#pictures.at(-1);
    if (before && frame.t <= before.t) {
      if (frame.t > before.t - 60000) return;
      this.#pictures.length = 0; // The server's clock went far back: begin anew.
      this.#offset = null;
    }
    // The smallest difference of the two clocks is the one with the least delay on the way.
    const offset = now - frame.t;
    this.#offset = this.#offset === null ? offset : Math.min(offset, this.#offset + 0.5);
    this.#pictures.push(picture(frame, before));
    if (this.#pictures.length > KEPT) this.#pictures.shift();
  }

  /** Calls `draw(count, x, y, zone, dx, dy, zones)` with the dots at `now`; x and y in metres from the corner of the world. */
  at(now) {
    const last = this.#pictures.at(-1);
    if (!last) return null;
    const time = now - this.#offset - LATE_MS;
    let next = this.#pictures.findIndex((p) => p.t >= time);
    if (next < 0) next = this.#pictures.length - 1;
    const b = this.#pictures[next];
    const a = next > 0 ? this.#pictures[next - 1] : b;
    const part = b.t > a.t ? Math.min(1, Math.max(0, (time - a.t) / (b.t - a.t))) : 1;
    return { picture: b, part };
  }
}

function picture(frame, before) {
  const flat = frame.dots;
  const count = flat.length >> 2;
  const p = {
    t: frame.t,
    zones: frame.zones,
    count,
    x: new Float32Array(count),
    y: new Float32Array(count),
    fromX: new Float32Array(count),
    fromY: new Float32Array(count),
    zone: new Uint16Array(count),
    index: new Map(),
  };
  for (let i = 0; i < count; i++) {
    const handle = flat[4 * i];
    const x = flat[4 * i + 1];
    const y = flat[4 * i + 2];
    p.x[i] = x / DOT_UNITS;
    p.y[i] = y / DOT_UNITS;
    p.zone[i] = flat[4 * i + 3];
    p.index.set(handle, i);
    const was = before?.index.get(handle);
    const near = was !== undefined && Math.abs(before.x[was] - p.x[i]) + Math.abs(before.y[was] - p.y[i]) < JUMP / DOT_UNITS;
    p.fromX[i] = near ? before.x[was] : p.x[i];
    p.fromY[i] = near ? before.y[was] : p.y[i];
  }
  return p;
}
