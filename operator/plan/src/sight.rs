//! Who sees whom: the observer–target pairs that replication pays for.
//!
//! Exact, and quick in a crowd: players are put into cells, and where two cells lie wholly within sight of each other their
//! players are counted without looking at any of them.

use darkages_topology::Position;
use darkages_topology::world::{INTEREST_RINGS, UNITS_PER_METRE};

/// Distance in metres up to which a client is told of others: the outermost interest ring.
pub const SIGHT_M: i32 = INTEREST_RINGS[INTEREST_RINGS.len() - 1].0;

const SIGHT: i64 = SIGHT_M as i64 * UNITS_PER_METRE as i64;

/// Extent of a cell in units: a quarter of the sight, so that most pairs of cells are wholly within it or wholly beyond.
const CELL: i32 = SIGHT_M * UNITS_PER_METRE / 4;

/// Cells to each side in which something within sight can stand.
const REACH: i32 = 4;

/// For each observer the number of targets within sight. An observer that is among the targets counts itself.
#[must_use]
pub fn seen_by(observers: &[Position], targets: &[Position]) -> Vec<u32> {
    let (observers_by_cell, targets_by_cell) = (Cells::of(observers), Cells::of(targets));
    let mut seen = vec![0; observers.len()];
    for from in &observers_by_cell.cells {
        for row in -REACH..=REACH {
            for to in targets_by_cell.row(from.x - REACH, from.x + REACH, from.y + row) {
                let observing = &observers_by_cell.order[from.start..from.end];
                let standing = &targets_by_cell.order[to.start..to.end];
                match Sight::between(from, to) {
                    Sight::None => {}
                    Sight::All => observing.iter().for_each(|&observer| seen[observer] += standing.len() as u32),
                    Sight::Some => {
                        for &observer in observing {
                            let within = |&&target: &&usize| {
                                observers[observer].distance_squared(targets[target]) <= SIGHT * SIGHT
                            };
                            seen[observer] += standing.iter().filter(within).count() as u32;
                        }
                    }
                }
            }
        }
    }
    seen
}

/// Positions by the cell that they stand in.
struct Cells {
    /// Indices of the positions, cell by cell.
    order: Vec<usize>,
    /// The cells that are not empty, row by row.
    cells: Vec<Cell>,
}

struct Cell {
    x: i32,
    y: i32,
    start: usize,
    end: usize,
}

impl Cells {
    fn of(positions: &[Position]) -> Self {
        let cell = |index: usize| (positions[index].y.div_euclid(CELL), positions[index].x.div_euclid(CELL));
        let mut order: Vec<usize> = (0..positions.len()).collect();
        order.sort_unstable_by_key(|&index| cell(index));
        let mut cells: Vec<Cell> = Vec::new();
        for (place, &index) in order.iter().enumerate() {
            let (y, x) = cell(index);
            match cells.last_mut() {
                Some(last) if (last.y, last.x) == (y, x) => last.end = place + 1,
                _ => cells.push(Cell { x, y, start: place, end: place + 1 }),
            }
        }
        Self { order, cells }
    }

    /// The cells of row `y` from column `first` to column `last`.
    fn row(&self, first: i32, last: i32, y: i32) -> &[Cell] {
        let start = self.cells.partition_point(|cell| (cell.y, cell.x) < (y, first));
        let length = self.cells[start..].partition_point(|cell| (cell.y, cell.x) <= (y, last));
        &self.cells[start..start + length]
    }
}

/// How much of one cell is in sight of another.
enum Sight {
    None,
    Some,
    All,
}

impl Sight {
    fn between(from: &Cell, to: &Cell) -> Self {
        let span = |cells: i32| i64::from(cells) * i64::from(CELL);
        let (dx, dy) = ((from.x - to.x).abs(), (from.y - to.y).abs());
        let (far_x, far_y) = (span(dx + 1), span(dy + 1));
        let (near_x, near_y) = (span((dx - 1).max(0)), span((dy - 1).max(0)));
        if far_x * far_x + far_y * far_y <= SIGHT * SIGHT {
            Self::All
        } else if near_x * near_x + near_y * near_y > SIGHT * SIGHT {
            Self::None
        } else {
            Self::Some
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn crowd(metres: i32) -> impl Strategy<Value = Vec<Position>> {
        let coordinate = -metres * UNITS_PER_METRE..metres * UNITS_PER_METRE;
        prop::collection::vec((coordinate.clone(), coordinate).prop_map(|(x, y)| Position { x, y }), 0..60)
    }

    proptest! {
        #[test]
        fn the_count_is_that_of_looking_at_every_pair(
            (observers, targets) in prop_oneof![Just(60), Just(200), Just(700)].prop_flat_map(|m| (crowd(m), crowd(m)))
        ) {
            let looked: Vec<u32> = observers.iter()
                .map(|observer| targets.iter().filter(|target| observer.within(**target, SIGHT_M)).count() as u32)
                .collect();
            prop_assert_eq!(seen_by(&observers, &targets), looked);
        }
    }

    #[test]
    fn sight_ends_exactly_at_its_radius() {
        let observer = [Position { x: CELL - 1, y: 0 }];
        let at = |x: i32| seen_by(&observer, &[Position { x, y: 0 }])[0];
        let edge = CELL - 1 + SIGHT_M * UNITS_PER_METRE;
        assert_eq!((at(edge), at(edge + 1)), (1, 0));
    }
}
