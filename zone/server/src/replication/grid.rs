//! A uniform grid over the entities of a tick: who stands within reach of a place.

use darkages_sim::EntityView;
use darkages_topology::Position;
use darkages_topology::world::UNITS_PER_METRE;

/// Side of a cell in metres: a quarter of the farthest interest ring, so that a query looks at 81 cells at most and a cell
/// of a crowd still holds a fraction of it.
const CELL_M: i32 = 50;
const CELL: i32 = CELL_M * UNITS_PER_METRE;

/// Cells of one grid, at most. Ground that is larger gets larger cells.
const MAX_CELLS: usize = 1 << 16;

/// Entities sorted by cell. Rebuilt each tick in the memory of the tick before.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    origin: Position,
    cell: i64,
    columns: usize,
    rows: usize,
    /// Where each cell's entities start in `order`; one more than there are cells.
    starts: Vec<u32>,
    /// Indices of views, cell by cell.
    order: Vec<u32>,
    cells: Vec<u32>,
}

impl Grid {
    /// Sorts `views` into cells.
    pub fn rebuild(&mut self, views: &[EntityView]) {
        let Some(first) = views.first() else {
            *self = Self { order: Vec::new(), ..std::mem::take(self) };
            self.columns = 0;
            return;
        };
        let (mut min, mut max) = (first.position, first.position);
        for EntityView { position, .. } in views {
            min = Position { x: min.x.min(position.x), y: min.y.min(position.y) };
            max = Position { x: max.x.max(position.x), y: max.y.max(position.y) };
        }
        self.origin = min;
        self.cell = i64::from(CELL);
        loop {
            self.columns = ((i64::from(max.x) - i64::from(min.x)) / self.cell) as usize + 1;
            self.rows = ((i64::from(max.y) - i64::from(min.y)) / self.cell) as usize + 1;
            if self.columns.saturating_mul(self.rows) <= MAX_CELLS {
                break;
            }
            self.cell *= 2;
        }
        self.sort(views);
    }

    /// Counting sort: two passes, no comparison.
    fn sort(&mut self, views: &[EntityView]) {
        self.starts.clear();
        self.starts.resize(self.columns * self.rows + 1, 0);
        self.cells.clear();
        for view in views {
            let cell = self.cell_of(view.position);
            self.cells.push(cell as u32);
            self.starts[cell + 1] += 1;
        }
        for cell in 1..self.starts.len() {
            self.starts[cell] += self.starts[cell - 1];
        }
        self.order.clear();
        self.order.resize(views.len(), 0);
        for (index, cell) in self.cells.iter().enumerate() {
            let place = &mut self.starts[*cell as usize];
            self.order[*place as usize] = index as u32;
            *place += 1;
        }
        // Filling moved each start to the start of the next cell; move them back.
        self.starts.rotate_right(1);
        self.starts[0] = 0;
    }

    /// Calls `found` with the index of each view within `metres` of `place` and the square of its distance in square units.
    pub fn within(&self, views: &[EntityView], place: Position, metres: i32, mut found: impl FnMut(usize, i64)) {
        if self.columns == 0 {
            return;
        }
        let reach = i64::from(metres) * i64::from(UNITS_PER_METRE);
        let (columns, rows) = (
            self.span(i64::from(place.x) - i64::from(self.origin.x), reach, self.columns),
            self.span(i64::from(place.y) - i64::from(self.origin.y), reach, self.rows),
        );
        for row in rows {
            let (from, to) = (row * self.columns + columns.start, row * self.columns + columns.end);
            if from >= to {
                continue;
            }
            // The cells of one row lie next to each other, so one run covers them all.
            for index in &self.order[self.starts[from] as usize..self.starts[to] as usize] {
                let index = *index as usize;
                let distance = views[index].position.distance_squared(place);
                if distance <= reach * reach {
                    found(index, distance);
                }
            }
        }
    }

    fn span(&self, centre: i64, reach: i64, count: usize) -> std::ops::Range<usize> {
        let last = count as i64;
        let from = (centre - reach).div_euclid(self.cell).clamp(0, last);
        let to = ((centre + reach).div_euclid(self.cell) + 1).clamp(from, last);
        from as usize..to as usize
    }

    fn cell_of(&self, position: Position) -> usize {
        let column = (i64::from(position.x) - i64::from(self.origin.x)) / self.cell;
        let row = (i64::from(position.y) - i64::from(self.origin.y)) / self.cell;
        row as usize * self.columns + column as usize
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_exactly_what_is_within_reach(
            places in prop::collection::vec((-400_000..400_000i32, -400_000..400_000i32), 0..200),
            centre in (-500_000..500_000i32, -500_000..500_000i32),
            metres in 1..3_000i32,
        ) {
            let view = |(x, y)| EntityView { position: Position { x, y }, ..EntityView::default() };
            let views: Vec<_> = places.into_iter().map(view).collect();
            let centre = Position { x: centre.0, y: centre.1 };
            let mut grid = Grid::default();
            grid.rebuild(&views);
            let mut found = Vec::new();
            grid.within(&views, centre, metres, |index, _| found.push(index));
            found.sort_unstable();
            let wanted: Vec<_> = (0..views.len()).filter(|at| views[*at].position.within(centre, metres)).collect();
            prop_assert_eq!(found, wanted);
        }
    }

    #[test]
    fn an_empty_grid_finds_nothing_also_after_a_full_one() {
        let mut grid = Grid::default();
        grid.rebuild(&[EntityView::default()]);
        grid.rebuild(&[]);
        grid.within(&[], Position::default(), 100, |_, _| panic!("nothing is there"));
    }
}
