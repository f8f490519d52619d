//! Crowds, cuts and the grounds of shards, drawn with characters.

use darkages_topology::{Axis, Position, Rect};

/// Most columns and rows of a picture, without its frame. A character is about twice as high as wide.
const MAX_COLUMNS: u64 = 64;
const MAX_ROWS: u64 = 24;

/// From nobody to the fullest cell.
const SHADES: [char; 8] = [' ', '.', ':', '-', '=', '+', '*', '#'];

/// A crowd on its ground, and a cut through it as a line of `|` or `~`. North is up.
pub fn draw(ground: Rect, players: &[Position], cut: Option<(Axis, i32)>) -> String {
    let canvas = Canvas::of(ground);
    let line = cut.map(|(axis, at)| (axis, canvas.cell(axis.with(ground.min, at))));
    canvas.draw(players, |column, row| match line {
        Some((Axis::X, (cut, _))) if cut == column => Some('|'),
        Some((Axis::Y, (_, cut))) if cut == row => Some('~'),
        _ => None,
    })
}

/// A world whose shards have these grounds: a line where one ends on the west or in the south.
pub fn draw_grounds(world: Rect, players: &[Position], grounds: &[Rect]) -> String {
    let canvas = Canvas::of(world);
    let cells: Vec<_> = grounds
        .iter()
        .map(|ground| {
            // The last unit of a ground, which is half-open.
            let last = Position { x: ground.max.x - 1, y: ground.max.y - 1 };
            (canvas.cell(ground.min), canvas.cell(last))
        })
        .collect();
    canvas.draw(players, |column, row| {
        cells.iter().find_map(|&((left, bottom), (right, top))| {
            let beside = (bottom..=top).contains(&row) && column == left && left > 0;
            let above = (left..=right).contains(&column) && row == bottom && bottom > 0;
            beside.then_some('|').or_else(|| above.then_some('~'))
        })
    })
}

/// Cells of a picture, each a piece of the ground.
struct Canvas {
    ground: Rect,
    columns: u64,
    rows: u64,
}

impl Canvas {
    fn of(ground: Rect) -> Self {
        let (width, height) = size(ground);
        let columns = MAX_COLUMNS.min((2 * MAX_ROWS * width).div_ceil(height)).max(1);
        let rows = (columns * height).div_ceil(2 * width).clamp(1, MAX_ROWS);
        Self { ground, columns, rows }
    }

    fn cell(&self, position: Position) -> (usize, usize) {
        let Self { ground, columns, rows } = self;
        let (width, height) = size(*ground);
        let column = u64::from(position.x.abs_diff(ground.min.x)) * columns / width;
        let row = u64::from(position.y.abs_diff(ground.min.y)) * rows / height;
        (column as usize, row as usize)
    }

    fn draw(&self, players: &[Position], line: impl Fn(usize, usize) -> Option<char>) -> String {
        let Self { ground, columns, rows } = self;
        let mut counts = vec![vec![0_usize; *columns as usize]; *rows as usize];
        for &player in players.iter().filter(|&&player| ground.contains(player)) {
            let (column, row) = self.cell(player);
            counts[row][column] += 1;
        }
        let fullest = counts.iter().flatten().copied().max().unwrap_or(0).max(1);
        let frame = format!("+{}+\n", "-".repeat(*columns as usize));
        let mut picture = frame.clone();
        for (row, counts) in counts.iter().enumerate().rev() {
            picture.push('|');
            for (column, &count) in counts.iter().enumerate() {
                let shade = SHADES[(count * (SHADES.len() - 1)).div_ceil(fullest)];
                picture.push(line(column, row).unwrap_or(shade));
            }
            picture.push_str("|\n");
        }
        picture + &frame
    }
}

fn size(ground: Rect) -> (u64, u64) {
    (ground.width().unsigned_abs().into(), ground.height().unsigned_abs().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_drawn_north_up_with_its_cut() {
        let ground = Rect::from_metres(0.0, 0.0, 40.0, 4.0).unwrap();
        let at = |x, y| Position::from_metres(x, y);
        let drawn = draw(ground, &[at(0, 0), at(39, 3), at(39, 3)], Some((Axis::X, 20 * 64)));
        insta::assert_snapshot!(drawn);
    }

    #[test]
    fn any_shape_fits() {
        for (width, height) in [(1.0, 1.0), (100_000.0, 1.0), (1.0, 100_000.0)] {
            let drawn = draw(Rect::from_metres(0.0, 0.0, width, height).unwrap(), &[Position { x: 0, y: 0 }], None);
            assert!(drawn.lines().count() <= MAX_ROWS as usize + 2);
            assert!(drawn.lines().all(|line| line.len() <= MAX_COLUMNS as usize + 2));
        }
    }
}
