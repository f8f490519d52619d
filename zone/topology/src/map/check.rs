//! What every map must be, and what is wrong with one that is not.

use std::collections::{BTreeMap, BTreeSet};

use super::{MAX_RETIRING, MAX_SHARD_ID, MAX_SHARDS, Topology};
use crate::geometry::{Axis, Rect, RectError};
use crate::ids::{ShardId, ZoneId};

/// Why there is no such map. Messages name the field and the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopologyError {
    /// A rectangle that cannot be ground.
    #[error("{field}: {source}")]
    Bounds {
        /// `bounds`, or `shards[ID].bounds`.
        field: String,
        /// What is wrong with it.
        #[source]
        source: RectError,
    },
    /// No shards or too many.
    #[error("shards: {count} are asked for; give 1 to {MAX_SHARDS}")]
    Count {
        /// How many there would be.
        count: usize,
    },
    /// The bounds are too small for this many shards.
    #[error("bounds: {bounds} is too small to be cut into {count} shards; ask for fewer or enlarge it")]
    TooSmall {
        /// The ground that cannot be cut.
        bounds: Rect,
        /// Shards that it should be cut into.
        count: usize,
    },
    /// Too many shards wait for their players to leave.
    #[error("retiring: {MAX_RETIRING} shards still hold players without ground; wait until one of them is empty")]
    TooManyRetiring,
    /// The same shard twice, among those with ground and those that retire.
    #[error("shards: {shard} appears twice; every shard needs an id of its own")]
    DuplicateShard {
        /// The shard.
        shard: ShardId,
    },
    /// A zone that would serve two shards.
    #[error("zone: {zone} already serves {shard}; give a zone that serves none")]
    ZoneBusy {
        /// The zone.
        zone: ZoneId,
        /// What it serves.
        shard: ShardId,
    },
    /// A zone without a name.
    #[error("zone: the name of the zone of {shard} is empty; name it")]
    ZoneUnnamed {
        /// The shard that it should serve.
        shard: ShardId,
    },
    /// An id that was not given out.
    #[error("next_shard: {shard} exists, so the next id must be above it, not {next}")]
    NextShard {
        /// The shard with the highest id.
        shard: ShardId,
        /// The id that should have been above it.
        next: ShardId,
    },
    /// The world has used up its shard ids.
    #[error("next_shard: all {MAX_SHARD_ID} shard ids of this world are used; start a new world from its checkpoint")]
    IdsExhausted,
    /// The revision cannot be raised any more.
    #[error("revision: the number is used up; start a new world from its checkpoint")]
    RevisionsExhausted,
    /// Ground outside the world.
    #[error("shards[{shard}].bounds: {bounds} reaches beyond the bounds of the world {world}")]
    Outside {
        /// The shard.
        shard: ShardId,
        /// Its ground.
        bounds: Rect,
        /// The world.
        world: Rect,
    },
    /// Ground with two owners.
    #[error("shards[{first}].bounds: overlaps the ground of {second}")]
    Overlap {
        /// One owner.
        first: ShardId,
        /// The other.
        second: ShardId,
    },
    /// Ground without an owner.
    #[error(
        "shards: {missing} square units of the bounds belong to no shard; the rectangles must tile the bounds exactly"
    )]
    Gap {
        /// How much of it, in square units of 1/4096 m².
        missing: i64,
    },
    /// The rectangles tile the bounds, but no straight cut through all of them exists.
    #[error("shards: the rectangles are not the leaves of a k-d tree, so not every one of them could be merged again")]
    NotGuillotine,
    /// No shard with this id owns ground.
    #[error("shard: {shard} owns no ground in this map; name one that does")]
    UnknownShard {
        /// The shard.
        shard: ShardId,
    },
    /// No shard with this id is retiring.
    #[error("shard: {shard} is not retiring in this map")]
    NotRetiring {
        /// The shard.
        shard: ShardId,
    },
    /// A shard that no zone serves has nothing to hand over.
    #[error("shard: {shard} has no zone to move from; assign it one instead")]
    Unassigned {
        /// The shard.
        shard: ShardId,
    },
    /// A cut that would leave one side without ground.
    #[error("at: a cut at {axis} = {at}/64 m leaves no ground on one side of {bounds}; choose a place inside it")]
    CutOutside {
        /// Direction of the cut.
        axis: Axis,
        /// Place of the cut, in units.
        at: i32,
        /// The ground to be cut.
        bounds: Rect,
    },
    /// A border that would stay where it is.
    #[error("at: the border of {first} and {second} is there already; choose another place")]
    Unmoved {
        /// One shard.
        first: ShardId,
        /// The other.
        second: ShardId,
    },
    /// Two shards whose union is not a rectangle.
    #[error("shards: {first} and {second} do not share a whole edge; name two that do")]
    NotSiblings {
        /// One shard.
        first: ShardId,
        /// The other.
        second: ShardId,
    },
}

impl TopologyError {
    /// Static label for metrics and logs.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Bounds { .. } => "bounds",
            Self::Count { .. } => "count",
            Self::TooSmall { .. } => "too_small",
            Self::TooManyRetiring => "too_many_retiring",
            Self::DuplicateShard { .. } => "duplicate_shard",
            Self::ZoneBusy { .. } => "zone_busy",
            Self::ZoneUnnamed { .. } => "zone_unnamed",
            Self::NextShard { .. } => "next_shard",
            Self::IdsExhausted => "ids_exhausted",
            Self::RevisionsExhausted => "revisions_exhausted",
            Self::Outside { .. } => "outside",
            Self::Overlap { .. } => "overlap",
            Self::Gap { .. } => "gap",
            Self::NotGuillotine => "not_guillotine",
            Self::UnknownShard { .. } => "unknown_shard",
            Self::NotRetiring { .. } => "not_retiring",
            Self::Unassigned { .. } => "unassigned",
            Self::CutOutside { .. } => "cut_outside",
            Self::Unmoved { .. } => "unmoved",
            Self::NotSiblings { .. } => "not_siblings",
        }
    }
}

impl Topology {
    /// Checks that this map is one that may be written: the shards tile the bounds exactly (I8) and are the leaves of a k-d
    /// tree, ids are unique and below [`Topology::next_shard`], and no zone serves two shards.
    ///
    /// # Errors
    /// The first thing that is wrong. No value of this type has any; the check runs where one is made, and again where a
    /// tester wants to see it.
    pub fn validate(&self) -> Result<(), TopologyError> {
        self.check_counts()?;
        self.check_names()?;
        self.check_ground()
    }

    fn check_counts(&self) -> Result<(), TopologyError> {
        if !(1..=MAX_SHARDS).contains(&self.shards.len()) {
            return Err(TopologyError::Count { count: self.shards.len() });
        }
        if self.retiring.len() > MAX_RETIRING {
            return Err(TopologyError::TooManyRetiring);
        }
        Ok(())
    }

    fn check_names(&self) -> Result<(), TopologyError> {
        let active = self.shards.iter().map(|shard| (shard.id, shard.zone.as_ref()));
        let retiring = self.retiring.iter().map(|retiring| (retiring.id, Some(&retiring.zone)));
        let mut ids = BTreeSet::new();
        let mut zones = BTreeMap::new();
        for (shard, endpoint) in active.chain(retiring) {
            if !ids.insert(shard) {
                return Err(TopologyError::DuplicateShard { shard });
            }
            let Some(endpoint) = endpoint else { continue };
            if endpoint.zone.0.is_empty() {
                return Err(TopologyError::ZoneUnnamed { shard });
            }
            if let Some(other) = zones.insert(&endpoint.zone, shard) {
                return Err(TopologyError::ZoneBusy { zone: endpoint.zone.clone(), shard: other });
            }
        }
        match ids.last() {
            // The highest id can be given out once; the number above it only says that none is left.
            _ if self.next_shard.0 > MAX_SHARD_ID + 1 => Err(TopologyError::IdsExhausted),
            Some(&shard) if shard >= self.next_shard => Err(TopologyError::NextShard { shard, next: self.next_shard }),
            _ => Ok(()),
        }
    }

    /// Inside the bounds, disjoint, and of the same area: together these say that the rectangles tile the bounds.
    fn check_ground(&self) -> Result<(), TopologyError> {
        let whole = |field: String, rect: Rect| {
            Rect::new(rect.min, rect.max).map_err(|source| TopologyError::Bounds { field, source })
        };
        let world = whole("bounds".to_owned(), self.bounds)?;
        let mut missing = world.area();
        for (index, shard) in self.shards.iter().enumerate() {
            let bounds = whole(format!("shards[{}].bounds", shard.id), shard.bounds)?;
            if !world.covers(&bounds) {
                return Err(TopologyError::Outside { shard: shard.id, bounds, world });
            }
            if let Some(other) = self.shards[..index].iter().find(|other| other.bounds.overlaps(&bounds)) {
                return Err(TopologyError::Overlap { first: other.id, second: shard.id });
            }
            missing -= bounds.area();
        }
        if missing != 0 {
            return Err(TopologyError::Gap { missing });
        }
        if !is_guillotine(self.shards.iter().map(|shard| shard.bounds).collect()) {
            return Err(TopologyError::NotGuillotine);
        }
        Ok(())
    }
}

/// Whether rectangles that tile a rectangle can be reached by cutting it in two again and again. Any straight line through
/// all of them will do as the first cut, because the halves of such a tiling are such tilings.
pub(super) fn is_guillotine(rectangles: Vec<Rect>) -> bool {
    let mut waiting = vec![rectangles];
    while let Some(group) = waiting.pop() {
        if group.len() < 2 {
            continue;
        }
        match Axis::BOTH.into_iter().map(|axis| cut_through(&group, axis)).find(|parts| parts.len() > 1) {
            Some(parts) => waiting.extend(parts),
            None => return false,
        }
    }
    true
}

/// The parts into which all straight cuts along `axis` divide the group.
fn cut_through(group: &[Rect], axis: Axis) -> Vec<Vec<Rect>> {
    let mut ascending = group.to_vec();
    ascending.sort_unstable_by_key(|rect| axis.of(rect.min));
    let mut parts: Vec<Vec<Rect>> = Vec::new();
    let mut reached = i32::MIN;
    for rect in ascending {
        match parts.last_mut() {
            Some(part) if axis.of(rect.min) < reached => part.push(rect),
            _ => parts.push(vec![rect]),
        }
        reached = reached.max(axis.of(rect.max));
    }
    parts
}
