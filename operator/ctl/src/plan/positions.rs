//! Reading where players stand from CSV or JSON.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use darkages_topology::world::{MAX_COORDINATE_M, UNITS_PER_METRE};
use darkages_topology::{Position, Rect};
use serde::Deserialize;

use crate::exit::BadInput;

/// Largest file that is read, in bytes: room for the positions below with generous digits.
const MAX_BYTES: u64 = 16 << 20;

/// Most positions of one file: many times what one shard can hold.
const MAX_POSITIONS: usize = 100_000;

/// Reads the positions of `path`; all of them must stand within `bounds` when there are any.
pub fn read(path: &Path, bounds: Option<Rect>) -> Result<Vec<Position>, BadInput> {
    let name = path.display();
    let unreadable = |why: &dyn std::fmt::Display| BadInput::new(format!("--positions {name}: {why}"));
    let mut text = String::new();
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let size = file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| unreadable(&error))?;
    if size as u64 > MAX_BYTES {
        return Err(unreadable(&format!("larger than {} MiB: give fewer positions", MAX_BYTES >> 20)));
    }
    let places = if text.trim_start().starts_with(['[', '{']) { of_json(&text) } else { of_csv(&text) };
    let places = places.map_err(|why| unreadable(&why))?;
    if places.is_empty() {
        return Err(unreadable(&"no positions: give at least one"));
    }
    if places.len() > MAX_POSITIONS {
        return Err(unreadable(&format!("{} positions: give at most {MAX_POSITIONS}", places.len())));
    }
    let fixed = places.into_iter().map(|Place { at, x, y }| {
        let position = position(x, y).map_err(|why| unreadable(&format!("{at}: {why}")))?;
        match bounds {
            Some(ground) if !ground.contains(position) => {
                Err(unreadable(&format!("{at}: ({x}, {y}) lies outside --bounds {ground}")))
            }
            _ => Ok(position),
        }
    });
    fixed.collect()
}

/// A position as it stands in the file.
struct Place {
    /// Where in the file.
    at: String,
    x: f64,
    y: f64,
}

fn position(x: f64, y: f64) -> Result<Position, String> {
    let units = |name: &str, metres: f64| {
        if !metres.is_finite() {
            return Err(format!("{name} is not a finite number"));
        }
        if metres.abs() > f64::from(MAX_COORDINATE_M) {
            return Err(format!("{name} is {metres}, beyond ±100 km: give metres"));
        }
        Ok((metres * f64::from(UNITS_PER_METRE)).floor() as i32)
    };
    Ok(Position { x: units("x", x)?, y: units("y", y)? })
}

#[derive(Deserialize)]
#[serde(untagged)]
enum JsonPlace {
    Pair([f64; 2]),
    Object { x: f64, y: f64 },
}

fn of_json(text: &str) -> Result<Vec<Place>, String> {
    let values: Vec<serde_json::Value> =
        serde_json::from_str(text).map_err(|error| format!("not a JSON list: {error}"))?;
    let place = |(index, value): (usize, serde_json::Value)| {
        let at = format!("element {index}");
        match serde_json::from_value(value) {
            Ok(JsonPlace::Pair([x, y]) | JsonPlace::Object { x, y }) => Ok(Place { at, x, y }),
            Err(_) => Err(format!("{at}: give [x, y] or {{\"x\": .., \"y\": ..}} in metres")),
        }
    };
    values.into_iter().enumerate().map(place).collect()
}

fn of_csv(text: &str) -> Result<Vec<Place>, String> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let mut rows = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).peekable();
    let Some(&(number, first)) = rows.peek() else { return Ok(Vec::new()) };
    let columns = if fields(first).any(|field| field.parse::<f64>().is_ok()) {
        Columns { x: 0, y: 1 }
    } else {
        rows.next();
        Columns::of_header(first).ok_or_else(|| format!("line {number}: the header must name the columns x and y"))?
    };
    rows.map(|(number, line)| columns.place(number, line)).collect()
}

fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split([',', ';', '\t']).map(|field| field.trim().trim_matches('"'))
}

struct Columns {
    x: usize,
    y: usize,
}

impl Columns {
    fn of_header(line: &str) -> Option<Self> {
        let find = |name: &str| fields(line).position(|field| field.eq_ignore_ascii_case(name));
        Some(Self { x: find("x")?, y: find("y")? })
    }

    fn place(&self, number: usize, line: &str) -> Result<Place, String> {
        let at = format!("line {number}");
        let coordinate = |name: &str, column: usize| {
            let field = fields(line).nth(column).ok_or_else(|| format!("{at}: there is no column for {name}"))?;
            field.parse::<f64>().map_err(|_| format!("{at}: {name} is {field:?}, not a number of metres"))
        };
        let (x, y) = (coordinate("x", self.x)?, coordinate("y", self.y)?);
        Ok(Place { at, x, y })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(places: Result<Vec<Place>, String>) -> Vec<(f64, f64)> {
        places.unwrap().iter().map(|place| (place.x, place.y)).collect()
    }

    #[test]
    fn csv_with_and_without_a_header_is_read() {
        assert_eq!(plain(of_csv("1,2\n\n# far\n3.5;-4\n")), [(1.0, 2.0), (3.5, -4.0)]);
        assert_eq!(plain(of_csv("id,Y,X\np1,2,1\np2,-4,3.5\n")), [(1.0, 2.0), (3.5, -4.0)]);
    }

    #[test]
    fn json_pairs_and_objects_are_read() {
        assert_eq!(plain(of_json(r#"[[1, 2], {"x": 3.5, "y": -4, "name": "p"}]"#)), [(1.0, 2.0), (3.5, -4.0)]);
    }

    #[test]
    fn what_cannot_be_read_is_named_by_its_line_or_element() {
        let csv = |text| of_csv(text).err().unwrap();
        assert_eq!(csv("1,2\n\n3,four"), "line 3: y is \"four\", not a number of metres");
        assert_eq!(csv("1,2\n3"), "line 2: there is no column for y");
        assert_eq!(csv("east,north\n1,2"), "line 1: the header must name the columns x and y");
        let json = |text| of_json(text).err().unwrap();
        assert!(json("[[1, 2], [3]]").starts_with("element 1: give [x, y]"));
        assert!(json("[[1, 2]").starts_with("not a JSON list"));
        assert!(position(f64::NAN, 0.0).unwrap_err().contains("x is not a finite number"));
        assert!(position(0.0, 1e6).unwrap_err().contains("y is 1000000, beyond"));
    }
}
