//! What a client is shown of an entity, and how records address it.

use darkages_topology::Position;

/// Slots of a session, at most: a few times what stands in sight of one player.
pub const MAX_SLOTS: u16 = 8_192;

/// Oldest baseline that a delta can name, in snapshot numbers.
pub const MAX_AGE: u8 = 63;

/// A place in the session's table of visible entities. The zone gives a slot to another entity only after the client has
/// acknowledged that it is empty, or with a full record, which replaces whatever was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

impl Slot {
    /// The slot with this number; `None` from [`MAX_SLOTS`] on.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number < MAX_SLOTS { Some(Self(number)) } else { None }
    }

    /// Its number, less than [`MAX_SLOTS`].
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// How many snapshots ago the baseline of a delta was sent: 1 to [`MAX_AGE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Age(u8);

impl Age {
    /// This many snapshots; `None` for 0 and beyond [`MAX_AGE`].
    #[must_use]
    pub const fn new(snapshots: u8) -> Option<Self> {
        if snapshots >= 1 && snapshots <= MAX_AGE { Some(Self(snapshots)) } else { None }
    }

    /// The age of the baseline that was sent as snapshot `baseline`, seen from snapshot `number`.
    #[must_use]
    pub fn between(baseline: crate::SnapshotNumber, number: crate::SnapshotNumber) -> Option<Self> {
        let snapshots = number.0.checked_sub(baseline.0)?;
        u8::try_from(snapshots).ok().and_then(Self::new)
    }

    /// In snapshots.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The baseline's number, seen from snapshot `number`; `None` when there can be none that old.
    #[must_use]
    pub fn baseline(self, number: crate::SnapshotNumber) -> Option<crate::SnapshotNumber> {
        number.0.checked_sub(u32::from(self.0)).filter(|number| *number > 0).map(crate::SnapshotNumber)
    }
}

/// What an entity is: three bits on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A player.
    #[default]
    Player = 0,
    /// A creature without a client.
    Npc = 1,
    /// Gold or items on the ground.
    Loot = 2,
}

impl Kind {
    /// The kind with this number; 3 to 7 are for later versions.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Player),
            1 => Some(Self::Npc),
            2 => Some(Self::Loot),
            _ => None,
        }
    }
}

/// How an entity moves: two bits on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SpeedClass {
    /// Not moving.
    #[default]
    Standing = 0,
    /// Walking.
    Walking = 1,
    /// Sprinting.
    Sprinting = 2,
}

impl SpeedClass {
    /// The class with this number; 3 is for later versions.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Standing),
            1 => Some(Self::Walking),
            2 => Some(Self::Sprinting),
            _ => None,
        }
    }
}

/// What clients are shown of an entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntityState {
    /// Where it is; within ±100 km.
    pub position: Position,
    /// Where it looks and walks, in 1/256 turn: 0 is east, 64 north.
    pub heading: u8,
    /// How it moves.
    pub speed: SpeedClass,
    /// What it is.
    pub kind: Kind,
    /// Its hit points.
    pub hit_points: u8,
    /// Bit 0: dead; bit 1: attacked within the last quarter of a second. The others belong to the game.
    pub flags: u8,
    /// Low eight bits of the newest applied input of the player; 0 for others.
    pub input: u8,
}
