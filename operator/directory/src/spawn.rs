//! Where a player appears who was never here and does not say where: anywhere, but always at the same place. Pure.

use darkages_topology::{PlayerId, Position, Rect};

/// The player's place in `bounds`: scattered evenly, and nothing but the player decides it.
#[must_use]
pub fn scatter(player: PlayerId, bounds: &Rect) -> Position {
    let x = mix(player.0);
    let y = mix(x);
    let along = |random: u64, extent: i32| (((random >> 32) * u64::from(extent.unsigned_abs())) >> 32) as i32;
    Position { x: bounds.min.x + along(x, bounds.width()), y: bounds.min.y + along(y, bounds.height()) }
}

/// One step of SplitMix64.
const fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn players_are_scattered_over_all_quarters_and_stay_inside() {
        let bounds = Rect::from_metres(-100_000.0, -5.0, 100_000.0, 5.0).expect("it has an area");
        let mut quarters = [0; 4];
        for player in 0..4_000 {
            let place = scatter(PlayerId(player), &bounds);
            assert!(bounds.contains(place), "{place:?}");
            quarters[usize::from(place.x >= 0) + 2 * usize::from(place.y >= 0)] += 1;
        }
        assert!(quarters.iter().all(|count| (850..1_150).contains(count)), "{quarters:?}");
        assert_eq!(scatter(PlayerId(7), &bounds), scatter(PlayerId(7), &bounds));
    }
}
