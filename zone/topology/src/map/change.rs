//! The operations on maps. Each takes the map by reference and returns a whole new one with the next revision, or an error
//! and nothing: a refused operation cannot have half happened.

use super::{MAX_SHARD_ID, MAX_SHARDS, Retiring, Shard, Topology, TopologyError, ZoneEndpoint};
use crate::geometry::{Axis, Rect, Side};
use crate::ids::{Revision, ShardId};

impl Topology {
    /// The map that somebody has written down, in whatever form, with shards in any order.
    ///
    /// # Errors
    /// When no operation could have made it.
    pub fn from_parts(
        revision: Revision,
        bounds: Rect,
        mut shards: Vec<Shard>,
        mut retiring: Vec<Retiring>,
        next_shard: ShardId,
    ) -> Result<Self, TopologyError> {
        shards.sort_by_key(|shard| shard.id);
        retiring.sort_by_key(|retiring| retiring.id);
        let map = Self { revision, bounds, shards, retiring, next_shard };
        map.validate()?;
        Ok(map)
    }

    /// The first map of a world: one shard, served by nobody yet.
    ///
    /// # Errors
    /// When `bounds` cannot be the bounds of anything.
    pub fn whole(bounds: Rect) -> Result<Self, TopologyError> {
        Self::grid(bounds, 1)
    }

    /// The first map of a world that starts with `count` shards of about the same area, cut across the longer extent each
    /// time. Nobody serves them yet.
    ///
    /// # Errors
    /// When `bounds` cannot be the bounds of anything or is too small, or `count` is 0 or more than [`MAX_SHARDS`].
    pub fn grid(bounds: Rect, count: usize) -> Result<Self, TopologyError> {
        if !(1..=MAX_SHARDS).contains(&count) {
            return Err(TopologyError::Count { count });
        }
        let bounds = Rect::new(bounds.min, bounds.max)
            .map_err(|source| TopologyError::Bounds { field: "bounds".to_owned(), source })?;
        let mut waiting = vec![(bounds, count)];
        let mut shards = Vec::with_capacity(count);
        let mut next_shard = ShardId(1);
        while let Some((ground, count)) = waiting.pop() {
            if count == 1 {
                shards.push(Shard { id: next_shard, bounds: ground, zone: None });
                next_shard.0 += 1;
                continue;
            }
            let axis = if ground.width() >= ground.height() { Axis::X } else { Axis::Y };
            let low_count = count / 2;
            let share = i64::from(ground.extent(axis)) * low_count as i64 / count as i64;
            // The share is less than the extent, which fits.
            let at = axis.of(ground.min) + share as i32;
            let (low, high) = ground.cut(axis, at).ok_or(TopologyError::TooSmall { bounds: ground, count })?;
            waiting.push((high, count - low_count));
            waiting.push((low, low_count));
        }
        let first = Self { revision: Revision(1), bounds, shards, retiring: Vec::new(), next_shard };
        first.validate()?;
        Ok(first)
    }

    /// Cuts a shard in two at `at` units along `axis`. The `moved` side becomes a new shard served by `zone`; the other side
    /// keeps the shard's id, zone and players. Returns the new map and the id of the new shard.
    ///
    /// # Errors
    /// When there is no such shard, the cut leaves one side empty, the zone serves another shard, or a limit is reached.
    pub fn split(
        &self,
        shard: ShardId,
        axis: Axis,
        at: i32,
        moved: Side,
        zone: Option<ZoneEndpoint>,
    ) -> Result<(Self, ShardId), TopologyError> {
        let index = self.find(shard)?;
        let bounds = self.shards[index].bounds;
        let (low, high) = bounds.cut(axis, at).ok_or(TopologyError::CutOutside { axis, at, bounds })?;
        let (kept, given) = match moved {
            Side::Low => (high, low),
            Side::High => (low, high),
        };
        let mut next = self.next()?;
        next.shards[index].bounds = kept;
        let id = next.add(given, zone)?;
        next.checked().map(|map| (map, id))
    }

    /// Gives the ground of `giver` to `taker`. The giver's zone, when it has one, retires until its players are over.
    ///
    /// # Errors
    /// When one of the two does not exist, their union is not a rectangle, the rest would not be a k-d tree, or a limit is
    /// reached.
    pub fn merge(&self, giver: ShardId, taker: ShardId) -> Result<Self, TopologyError> {
        let (giver_index, taker_index) = (self.find(giver)?, self.find(taker)?);
        let joined = self.shards[giver_index].bounds.joined(&self.shards[taker_index].bounds);
        let joined = joined.ok_or(TopologyError::NotSiblings { first: giver, second: taker })?;
        let mut next = self.next()?;
        next.shards[taker_index].bounds = joined;
        let Shard { id, bounds: _, zone } = next.shards.remove(giver_index);
        if let Some(zone) = zone {
            next.retire(id, zone);
        }
        next.checked()
    }

    /// Moves the border of two siblings to `at` units along the axis that separates them.
    ///
    /// # Errors
    /// When one of the two does not exist, their union is not a rectangle, the border would leave it, stay where it is, or
    /// break the k-d tree.
    pub fn slide(&self, first: ShardId, second: ShardId, at: i32) -> Result<Self, TopologyError> {
        let (first_index, second_index) = (self.find(first)?, self.find(second)?);
        let (a, b) = (self.shards[first_index].bounds, self.shards[second_index].bounds);
        let siblings = a.joined_along(&b).zip(a.joined(&b));
        let (axis, joined) = siblings.ok_or(TopologyError::NotSiblings { first, second })?;
        let (low, high) = joined.cut(axis, at).ok_or(TopologyError::CutOutside { axis, at, bounds: joined })?;
        let first_is_low = axis.of(a.min) < axis.of(b.min);
        let (of_first, of_second) = if first_is_low { (low, high) } else { (high, low) };
        if of_first == a {
            return Err(TopologyError::Unmoved { first, second });
        }
        let mut next = self.next()?;
        next.shards[first_index].bounds = of_first;
        next.shards[second_index].bounds = of_second;
        next.checked()
    }

    /// Gives the ground of a shard to another zone under a new shard id, while the old id retires with its zone until its
    /// players are over. A new id, because two zones may hold players of this ground at once and each needs a lease of its
    /// own. Returns the new map and the id of the new shard.
    ///
    /// # Errors
    /// When there is no such shard, no zone serves it, `zone` serves a shard already, or a limit is reached.
    pub fn move_to(&self, shard: ShardId, zone: ZoneEndpoint) -> Result<(Self, ShardId), TopologyError> {
        let index = self.find(shard)?;
        let mut next = self.next()?;
        let Shard { id, bounds, zone: old } = next.shards.remove(index);
        next.retire(id, old.ok_or(TopologyError::Unassigned { shard })?);
        let id = next.add(bounds, Some(zone))?;
        next.checked().map(|map| (map, id))
    }

    /// Gives a shard a zone under the same id: one that has none yet, one whose zone is dead, or one whose zone came back at
    /// another address. The shard's lease sees to it that the old process writes nothing more; players are not handed over
    /// but claimed. A zone that lives is replaced by [`Topology::move_to`].
    ///
    /// # Errors
    /// When there is no such shard or `zone` serves another one.
    pub fn assign(&self, shard: ShardId, zone: ZoneEndpoint) -> Result<Self, TopologyError> {
        let index = self.find(shard)?;
        let mut next = self.next()?;
        next.shards[index].zone = Some(zone);
        next.checked()
    }

    /// Forgets a retiring shard whose last player is over, or whose zone is dead and its lease over.
    ///
    /// # Errors
    /// When no such shard is retiring.
    pub fn retired(&self, shard: ShardId) -> Result<Self, TopologyError> {
        let index = self.retiring.binary_search_by_key(&shard, |retiring| retiring.id);
        let index = index.map_err(|_| TopologyError::NotRetiring { shard })?;
        let mut next = self.next()?;
        next.retiring.remove(index);
        next.checked()
    }

    fn find(&self, shard: ShardId) -> Result<usize, TopologyError> {
        self.index(shard).ok_or(TopologyError::UnknownShard { shard })
    }

    fn next(&self) -> Result<Self, TopologyError> {
        let revision = self.revision.0.checked_add(1).ok_or(TopologyError::RevisionsExhausted)?;
        Ok(Self { revision: Revision(revision), ..self.clone() })
    }

    /// New ids are the highest, so the list stays sorted.
    fn add(&mut self, bounds: Rect, zone: Option<ZoneEndpoint>) -> Result<ShardId, TopologyError> {
        let id = self.next_shard;
        if id.0 > MAX_SHARD_ID {
            return Err(TopologyError::IdsExhausted);
        }
        self.next_shard.0 += 1;
        self.shards.push(Shard { id, bounds, zone });
        Ok(id)
    }

    fn retire(&mut self, id: ShardId, zone: ZoneEndpoint) {
        let index = self.retiring.partition_point(|retiring| retiring.id < id);
        self.retiring.insert(index, Retiring { id, zone });
    }

    fn checked(self) -> Result<Self, TopologyError> {
        self.validate()?;
        Ok(self)
    }
}
