// A colour for each shard, kept for as long as the shard lives, so that a zone is recognised when the map changes.

const PALETTE = [
  "#4cc9f0", "#ffb454", "#a78bfa", "#4ade80", "#ff6b8b", "#f7e05b",
  "#2dd4bf", "#ff8f5c", "#6ea8ff", "#e58cff", "#b4e33d", "#ff7ac8",
];

const taken = new Map();

/** The colour of a shard as `#rrggbb`. */
export function colourOf(shard) {
  let index = taken.get(shard);
  if (index === undefined) {
    const used = new Set([...taken.values()].map((i) => i % PALETTE.length));
    index = PALETTE.findIndex((_, i) => !used.has(i));
    if (index < 0) index = shard % PALETTE.length;
    taken.set(shard, index);
  }
  return PALETTE[index];
}

/** Frees the colours of shards that exist no more. */
export function keepColours(shards) {
  for (const shard of taken.keys()) if (!shards.has(shard)) taken.delete(shard);
}

/** The colour with an opacity. */
export function faded(hex, alpha) {
  const n = parseInt(hex.slice(1), 16);
  return `rgba(${n >> 16}, ${(n >> 8) & 255}, ${n & 255}, ${alpha})`;
}
