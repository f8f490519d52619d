//! The ground of a world or shard as the command line takes it.

use std::str::FromStr;

use darkages_topology::Rect;

use crate::exit::BadInput;

/// `minX,minY,maxX,maxY` in metres.
#[derive(Clone, Copy, Debug)]
pub struct Bounds(pub Rect);

impl FromStr for Bounds {
    type Err = BadInput;

    fn from_str(text: &str) -> Result<Self, BadInput> {
        let form =
            || BadInput::new(format!("--bounds is {text:?}: give minX,minY,maxX,maxY in metres, like 0,0,1000,1000"));
        let numbers: Vec<f64> =
            text.split(',').map(|number| number.trim().parse()).collect::<Result<_, _>>().map_err(|_| form())?;
        let &[min_x, min_y, max_x, max_y] = numbers.as_slice() else { return Err(form()) };
        let rect = Rect::from_metres(min_x, min_y, max_x, max_y);
        rect.map(Self).map_err(|error| BadInput::new(format!("--bounds {text}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(text: &str) -> String {
        text.parse::<Bounds>().unwrap_err().to_string()
    }

    #[test]
    fn four_numbers_are_bounds() {
        let bounds: Bounds = "-10, -20.5,30,40".parse().unwrap();
        assert_eq!(bounds.0, Rect::from_metres(-10.0, -20.5, 30.0, 40.0).unwrap());
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(complaint("1,2,3").contains("give minX,minY,maxX,maxY"));
        assert!(complaint("a,b,c,d").contains("give minX,minY,maxX,maxY"));
        assert!(complaint("5,0,5,10").contains("minX must be less than maxX"));
        assert!(complaint("0,10,5,1").contains("minY must be less than maxY"));
        assert!(complaint("NaN,0,5,10").contains("minX is not a finite number"));
        assert!(complaint("0,0,1,100001").contains("maxY lies beyond"));
    }
}
