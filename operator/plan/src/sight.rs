//! Who sees whom: the observer–target pairs that replication pays for.
//!
//! Exact, and quick in a crowd: players are put into cells, and where two cells lie wholly within sight of each other their
//! players are counted without looking at any of them.

use std::ops::Range;

use darkages_topology::Position;
use darkages_topology::world::{INTEREST_RINGS, UNITS_PER_METRE};

/// Distance in metres up to which a client is told of others: the outermost interest ring.
pub const SIGHT_M: i32 = INTEREST_RINGS[INTEREST_RINGS.len() - 1].0;

const SIGHT: i32 = SIGHT_M * UNITS_PER_METRE;

/// Cells to each side in which something within sight can stand. With more, fewer pairs are looked at and more cells; a
/// thousand players take least time with about this many, crowded or spread.
const REACH: i32 = 4;

/// Extent of a cell in units.
const CELL: i32 = (SIGHT + REACH - 1) / REACH;

/// For each observer the number of targets within sight. An observer that is among the targets counts itself.
#[must_use]
pub fn seen_by(observers: &[Position], targets: &[Position]) -> Vec<u32> {
    let (observers, targets) = (Cells::of(observers), Cells::of(targets));
    let mut seen = vec![0; observers.order.len()];
    for from_row in observers.cells.chunk_by(|a, b| a.y == b.y) {
        for step in -REACH..=REACH {
            let row = targets.row(from_row[0].y + step);
            let edges = edges(step);
            for from in from_row {
                let [left, inner, outer, right] = edges.map(|column| place_of(row, from.x + column));
                for observer in from.standing.clone() {
                    let near = observers.within(observer, &targets, left..inner)
                        + observers.within(observer, &targets, outer..right);
                    seen[observers.order[observer]] += (outer - inner) as u32 + near;
                }
            }
        }
    }
    seen
}

/// Columns, counted from a cell, of a row that is `rows` away: from the first to the last every place that can be in sight
/// of a place in the cell lies; from the second to the third every place is in sight of every place in the cell.
fn edges(rows: i32) -> [i32; 4] {
    let reach = columns_partly_seen(rows);
    match columns_wholly_seen(rows) {
        Some(whole) => [-reach, -whole, whole + 1, reach + 1],
        None => [-reach, reach + 1, reach + 1, reach + 1],
    }
}

/// The place of the first position in this or a later column of a row.
fn place_of(row: &[Cell], column: i32) -> usize {
    match (row.get(row.partition_point(|cell| cell.x < column)), row.last()) {
        (Some(cell), _) => cell.standing.start,
        (None, Some(last)) => last.standing.end,
        (None, None) => 0,
    }
}

/// Columns to each side in a row this many cells away that lie wholly within sight of every place in the cell.
fn columns_wholly_seen(rows: i32) -> Option<i32> {
    (0..=REACH).rev().find(|columns| {
        let (dx, dy) = ((columns + 1) * CELL, (rows.abs() + 1) * CELL);
        dx * dx + dy * dy <= SIGHT * SIGHT
    })
}

/// Columns to each side in a row this many cells away of which any place lies within sight of any place in the cell.
fn columns_partly_seen(rows: i32) -> i32 {
    let partly = (0..=REACH).rev().find(|columns| {
        let (dx, dy) = ((columns - 1).max(0) * CELL, (rows.abs() - 1).max(0) * CELL);
        dx * dx + dy * dy <= SIGHT * SIGHT
    });
    partly.unwrap_or(0)
}

/// Positions by the cell that they stand in, row by row.
struct Cells {
    /// For each place in the order of the cells, the index that the position came with.
    order: Vec<usize>,
    x: Vec<i32>,
    y: Vec<i32>,
    /// The cells that are not empty.
    cells: Vec<Cell>,
}

struct Cell {
    x: i32,
    y: i32,
    /// Places of its positions.
    standing: Range<usize>,
}

impl Cells {
    fn of(positions: &[Position]) -> Self {
        let mut keyed: Vec<((i32, i32), usize)> = positions
            .iter()
            .enumerate()
            .map(|(index, position)| ((position.y.div_euclid(CELL), position.x.div_euclid(CELL)), index))
            .collect();
        keyed.sort_unstable();
        let mut cells: Vec<Cell> = Vec::new();
        for (place, &((y, x), _)) in keyed.iter().enumerate() {
            match cells.last_mut() {
                Some(last) if (last.y, last.x) == (y, x) => last.standing.end = place + 1,
                _ => cells.push(Cell { x, y, standing: place..place + 1 }),
            }
        }
        let order: Vec<usize> = keyed.into_iter().map(|(_, index)| index).collect();
        let coordinates = |of: fn(&Position) -> i32| order.iter().map(|&index| of(&positions[index])).collect();
        Self { x: coordinates(|at| at.x), y: coordinates(|at| at.y), order, cells }
    }

    /// The cells of row `y`, by ascending column.
    fn row(&self, y: i32) -> &[Cell] {
        let start = self.cells.partition_point(|cell| cell.y < y);
        let length = self.cells[start..].partition_point(|cell| cell.y == y);
        &self.cells[start..start + length]
    }

    /// How many of these targets are within sight of one observer. They stand at most `REACH` cells away, so that no square
    /// overflows.
    fn within(&self, observer: usize, targets: &Self, places: Range<usize>) -> u32 {
        let (x, y) = (self.x[observer], self.y[observer]);
        let near = targets.x[places.clone()].iter().zip(&targets.y[places]);
        near.map(|(&other_x, &other_y)| {
            let (dx, dy) = (other_x - x, other_y - y);
            u32::from(dx * dx + dy * dy <= SIGHT * SIGHT)
        })
        .sum()
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
