//! Newtypes for everything that is counted or named, so that an epoch is never taken for a tick.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

number! {
    /// A shard of the world: one rectangle of the map. Never reused within a world; 24 bits are used, because
    /// [`EntityId`] carries the shard that made it.
    ShardId(u32), "s"
}
number! {
    /// The incarnation of a shard: raised by one each time a zone acquires the shard's lease. A write that carries an
    /// older one is refused.
    ShardEpoch(u64), "e"
}
number! {
    /// Raised by one each time the owner of a player changes. Clients follow the highest that they have seen.
    OwnerEpoch(u64), "o"
}
number! {
    /// A player, for as long as the world lives.
    PlayerId(u64), "p"
}
number! {
    /// Number of a simulation step since the world began; 60 a second unless the world says otherwise. Aligned between zones.
    Tick(u64), "t"
}
number! {
    /// Revision of the shard map, raised by one with each map that is written.
    Revision(u64), "r"
}
number! {
    /// Number of a client's input, from 1, raised by one each input.
    InputSeq(u32), "i"
}

impl Tick {
    /// The tick `ticks` later.
    #[must_use]
    pub const fn plus(self, ticks: u64) -> Self {
        Self(self.0 + ticks)
    }

    /// Ticks from `earlier` to this one, 0 when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl OwnerEpoch {
    /// The epoch of the next owner.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl InputSeq {
    /// The number of the next input.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// An entity, unique in the world for ever: the shard that made it and a counter of that shard. It survives handoffs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntityId(pub u64);

impl EntityId {
    /// Bits of the counter; the shard has the 24 bits above them.
    pub const COUNTER_BITS: u32 = 40;

    /// The entity with this counter among those that `shard` made. The counter is cut to 40 bits, the shard to 24.
    #[must_use]
    pub const fn new(shard: ShardId, counter: u64) -> Self {
        let counter = counter & ((1 << Self::COUNTER_BITS) - 1);
        Self(((shard.0 as u64) << Self::COUNTER_BITS) | counter)
    }

    /// The shard that made this entity.
    #[must_use]
    pub const fn shard(self) -> ShardId {
        ShardId((self.0 >> Self::COUNTER_BITS) as u32)
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.shard(), self.0 & ((1 << Self::COUNTER_BITS) - 1))
    }
}

/// A handoff of one player, unique in the world: the zone that started it and the owner epoch that it would end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HandoffId {
    /// The shard that hands over.
    pub from: ShardId,
    /// Its incarnation.
    pub from_epoch: ShardEpoch,
    /// Counter of that incarnation.
    pub number: u64,
}

impl fmt::Display for HandoffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.from, self.from_epoch, self.number)
    }
}

/// A zone process, by the name of its pod or, on one machine, by a name that the command gives it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ZoneId(pub String);

impl fmt::Display for ZoneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
