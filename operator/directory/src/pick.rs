//! Which zone a player is sent to. Pure.

use darkages_topology::map::ZoneEndpoint;
use darkages_topology::{Position, Rect, ShardId};

use crate::view::{WorldView, ZoneState};

/// What the store knows of a player who was here before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The shard that owns the player, from the owner record.
    pub owner: ShardId,
    /// Where the player stood last.
    pub position: Position,
}

/// Why no zone can be named. Waiting helps in each case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoZone {
    /// The world has as many players as it admits.
    #[error("the world is full: try again later")]
    WorldFull,
    /// The zone of that ground does not serve yet, or is being replaced.
    #[error("no zone is ready for that place: try again in a moment")]
    NoZoneReady,
}

/// The zone for a player: the owner of the record while it still serves anybody, else the zone of the ground where the
/// player stood last, else the zone of `spawn`.
///
/// The owner comes first because its record says who simulates the player, whatever the map says; the map only moves later.
///
/// # Errors
/// When the world is full, or when the zone in question does not serve.
pub fn pick(view: &WorldView, place: Option<Place>, spawn: Position) -> Result<(ShardId, &ZoneEndpoint), NoZone> {
    if view.zones.is_empty() {
        return Err(NoZone::NoZoneReady);
    }
    if view.players() >= view.capacity {
        return Err(NoZone::WorldFull);
    }
    let owner = place.and_then(|place| {
        view.zones
            .iter()
            .find(|zone| zone.shard == place.owner && matches!(zone.state, ZoneState::Serving | ZoneState::Draining))
    });
    let zone = owner.or_else(|| {
        let position = inside(&view.bounds, place.map_or(spawn, |place| place.position));
        view.zones.iter().find(|zone| {
            zone.state == ZoneState::Serving && zone.bounds.is_some_and(|bounds| bounds.contains(position))
        })
    });
    zone.and_then(|zone| Some((zone.shard, zone.zone.as_ref()?))).ok_or(NoZone::NoZoneReady)
}

/// The point of `bounds` nearest to `position`: a world may have shrunk since the player left.
fn inside(bounds: &Rect, position: Position) -> Position {
    Position {
        x: position.x.clamp(bounds.min.x, bounds.max.x - 1),
        y: position.y.clamp(bounds.min.y, bounds.max.y - 1),
    }
}

#[cfg(test)]
mod tests {
    use darkages_topology::ZoneId;

    use super::*;
    use crate::view::ZoneView;

    const SPAWN: Position = Position::from_metres(10, 10);

    fn world() -> WorldView {
        let rect = |min_x, max_x| Rect::new(Position::from_metres(min_x, 0), Position::from_metres(max_x, 100));
        let zone = |shard: u32, bounds, state| ZoneView {
            shard: ShardId(shard),
            zone: Some(ZoneEndpoint {
                zone: ZoneId(format!("zone-{shard}")),
                address: ([127, 0, 0, 1], 40_000 + shard as u16).into(),
                public_key: [shard as u8; 32],
            }),
            bounds,
            state,
            players: 10,
            tick_p99_us: 0,
        };
        let mut view = WorldView::unknown(rect(0, 100).expect("the world is not empty"));
        view.capacity = 100;
        view.zones = vec![
            zone(1, rect(0, 50).ok(), ZoneState::Serving),
            zone(2, rect(50, 100).ok(), ZoneState::Serving),
            zone(3, None, ZoneState::Draining),
        ];
        view
    }

    fn picked(view: &WorldView, place: Option<Place>) -> Result<u32, NoZone> {
        pick(view, place, SPAWN).map(|(shard, _)| shard.0)
    }

    #[test]
    fn a_new_player_starts_at_the_spawn() {
        assert_eq!(picked(&world(), None), Ok(1));
    }

    #[test]
    fn the_owner_of_the_record_comes_before_the_ground() {
        let place = |owner| Some(Place { owner: ShardId(owner), position: Position::from_metres(80, 1) });
        assert_eq!(picked(&world(), place(1)), Ok(1));
        assert_eq!(picked(&world(), place(3)), Ok(3));
        assert_eq!(picked(&world(), place(9)), Ok(2), "the shard is gone");
    }

    #[test]
    fn a_position_outside_a_world_that_shrank_is_brought_inside() {
        let place = Place { owner: ShardId(9), position: Position::from_metres(5_000, -3) };
        assert_eq!(picked(&world(), Some(place)), Ok(2));
    }

    #[test]
    fn a_zone_that_does_not_serve_is_not_named() {
        let mut view = world();
        view.zones[0].state = ZoneState::Starting;
        assert_eq!(picked(&view, None), Err(NoZone::NoZoneReady));
        view.zones[0].state = ZoneState::Serving;
        view.zones[0].zone = None;
        assert_eq!(picked(&view, None), Err(NoZone::NoZoneReady));
    }

    #[test]
    fn a_full_world_says_so() {
        let mut view = world();
        view.capacity = 30;
        assert_eq!(picked(&view, None), Err(NoZone::WorldFull));
    }
}
