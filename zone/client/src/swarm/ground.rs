//! What bots know about the ground: bounds and borders, as the directory tells them.

use darkages_topology::{Position, Rect};

/// The ground of the world at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    /// The whole world.
    pub bounds: Rect,
    /// The shards that tile it. May be empty for a moment, while the first map is being written.
    pub shards: Vec<Rect>,
}

/// A straight border between two shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Border {
    /// Whether it runs from south to north, so that it is crossed by going east or west.
    pub vertical: bool,
    /// The coordinate across it, in units: x of a vertical border, y of a horizontal one.
    pub at: i32,
    /// Where it begins along its own direction, in units.
    pub from: i32,
    /// Where it ends.
    pub to: i32,
}

impl Border {
    /// The place `along` units from the border's beginning and `across` units past it (negative: before it).
    #[must_use]
    pub fn place(&self, along: i32, across: i32) -> Position {
        let along = self.from + along;
        if self.vertical {
            Position { x: self.at + across, y: along }
        } else {
            Position { x: along, y: self.at + across }
        }
    }

    /// Units by which `position` lies past this border, negative before it.
    #[must_use]
    pub const fn across(&self, position: Position) -> i32 {
        if self.vertical { position.x - self.at } else { position.y - self.at }
    }

    /// Length in units.
    #[must_use]
    pub const fn len(&self) -> i32 {
        self.to - self.from
    }

    /// Whether there is nothing to cross.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.to <= self.from
    }
}

impl Ground {
    /// All borders between two shards, the longest first. Equal lengths stay in the order of the shards, so that every bot
    /// sees the same list.
    #[must_use]
    pub fn borders(&self) -> Vec<Border> {
        let mut borders = Vec::new();
        for (index, one) in self.shards.iter().enumerate() {
            for other in &self.shards[index + 1..] {
                borders.extend(shared_edge(one, other).or_else(|| shared_edge(other, one)));
            }
        }
        borders.sort_by_key(|border| -border.len());
        borders
    }

    /// The longest border, or the world's middle from south to north when there is only one shard: bots then cross ground
    /// that may be cut later.
    #[must_use]
    pub fn main_border(&self) -> Border {
        self.borders().first().copied().unwrap_or_else(|| {
            let middle = centre(&self.bounds);
            Border { vertical: true, at: middle.x, from: self.bounds.min.y, to: self.bounds.max.y }
        })
    }

    /// A square of `side` metres around the middle of the world, cut to the bounds.
    #[must_use]
    pub fn middle_square(&self, side: i32) -> Rect {
        around(centre(&self.bounds), side, &self.bounds)
    }
}

/// The border on the east or north edge of `one`, when `other` begins there.
fn shared_edge(one: &Rect, other: &Rect) -> Option<Border> {
    let overlap = |a_min: i32, a_max: i32, b_min: i32, b_max: i32| {
        let (from, to) = (a_min.max(b_min), a_max.min(b_max));
        (from < to).then_some((from, to))
    };
    if one.max.x == other.min.x {
        let (from, to) = overlap(one.min.y, one.max.y, other.min.y, other.max.y)?;
        return Some(Border { vertical: true, at: one.max.x, from, to });
    }
    if one.max.y == other.min.y {
        let (from, to) = overlap(one.min.x, one.max.x, other.min.x, other.max.x)?;
        return Some(Border { vertical: false, at: one.max.y, from, to });
    }
    None
}

/// The middle of a rectangle, rounded down.
#[must_use]
pub fn centre(rect: &Rect) -> Position {
    Position { x: rect.min.x + rect.width() / 2, y: rect.min.y + rect.height() / 2 }
}

/// A square of `side` metres around `middle`, cut to `bounds`; never empty as long as `middle` lies within the bounds.
#[must_use]
pub fn around(middle: Position, side: i32, bounds: &Rect) -> Rect {
    let half = Position::from_metres(side, side).x / 2;
    Rect {
        min: Position { x: (middle.x - half).max(bounds.min.x), y: (middle.y - half).max(bounds.min.y) },
        max: Position { x: (middle.x + half).min(bounds.max.x), y: (middle.y + half).min(bounds.max.y) },
    }
}

/// `position` moved to the nearest place in `rect`.
#[must_use]
pub fn clamp(position: Position, rect: &Rect) -> Position {
    Position { x: position.x.clamp(rect.min.x, rect.max.x - 1), y: position.y.clamp(rect.min.y, rect.max.y - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rect(min_x: i32, min_y: i32, max_x: i32, max_y: i32) -> Rect {
        Rect { min: Position::from_metres(min_x, min_y), max: Position::from_metres(max_x, max_y) }
    }

    #[test]
    fn borders_of_three_shards_are_found_longest_first() {
        let ground = Ground {
            bounds: rect(0, 0, 1000, 1000),
            shards: vec![rect(0, 0, 400, 1000), rect(400, 0, 1000, 300), rect(400, 300, 1000, 1000)],
        };
        let metres = |units: i32| units / 64;
        let found: Vec<_> =
            ground.borders().iter().map(|b| (b.vertical, metres(b.at), metres(b.from), metres(b.to))).collect();
        assert_eq!(found, vec![(true, 400, 300, 1000), (false, 300, 400, 1000), (true, 400, 0, 300)]);
        let main = ground.main_border();
        assert_eq!(main.place(64, -128), Position { x: 400 * 64 - 128, y: 300 * 64 + 64 });
        assert_eq!(main.across(Position::from_metres(500, 20)), 6400);
    }

    #[test]
    fn a_world_of_one_shard_is_crossed_in_the_middle() {
        let ground = Ground { bounds: rect(-100, -100, 300, 100), shards: vec![rect(-100, -100, 300, 100)] };
        assert_eq!(ground.main_border().at, 100 * 64);
        assert!(!ground.main_border().is_empty());
    }
}
