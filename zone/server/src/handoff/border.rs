//! When a player ought to be elsewhere, and who of two goes to the other. Pure; the driver asks each tick and passes the
//! answers as [`Event::Want`](super::Event::Want).

use darkages_topology::{PlayerId, Position, Rect};

use super::limits::BORDER_HYSTERESIS;

/// Whether somebody at `position` stands so far beyond `ground` that walking there is a reason to be handed over. `ground` is
/// `None` for a shard that owns none: then everybody does.
///
/// After a change of the map the driver wants everybody elsewhere who does not stand in `ground` at all, with
/// [`Reason::Ground`](super::Reason::Ground): the new border must become true for those within the hysteresis too.
#[must_use]
pub fn has_left(ground: Option<&Rect>, position: Position) -> bool {
    let Some(ground) = ground else { return true };
    let reach = i64::from(BORDER_HYSTERESIS);
    ground.distance_squared(position) > reach * reach
}

/// Which of two players on different shards goes to the other's shard for a durable action between them. Both zones come to
/// the same answer, so two who want to trade do not swap places instead.
#[must_use]
pub fn who_moves(one: PlayerId, other: PlayerId) -> PlayerId {
    one.min(other)
}
