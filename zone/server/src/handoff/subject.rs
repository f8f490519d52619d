//! What is handed over, why, and how it ends: names shared by events, actions, messages and metrics.

use std::fmt;

use darkages_topology::{EntityId, PlayerId};

/// What moves from one zone to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A player: has an owner record in the store and usually a client.
    Player(PlayerId),
    /// An entity without client and without record. It moves by PREPARE, RELEASE and DONE alone. That it exists at most
    /// once is conserved by the giver, which removes it before it releases and repeats the release until it is answered,
    /// and by the taker, which takes each handoff once. A crash of either zone may lose it: what must survive a crash
    /// belongs into a player's record, everything else is respawned by the game.
    Npc(EntityId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Player(player) => player.fmt(f),
            Self::Npc(entity) => entity.fmt(f),
        }
    }
}

/// Why a subject is wanted on another shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It walked across a border.
    Border,
    /// The map changed and the ground under it is another shard's, or its shard owns no ground any more.
    Ground,
    /// A durable action needs it on the shard of the other party.
    Durable,
}

impl Reason {
    /// A static label for metrics and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Border => "border",
            Self::Ground => "ground",
            Self::Durable => "durable",
        }
    }
}

/// Why a taker refused a PREPARE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// No room for another player.
    Full,
    /// It holds the player in a state that does not allow it now.
    Busy,
}

/// How a handoff ended, for the giver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The taker has acknowledged, or the record shows that it took the player.
    Completed,
    /// The taker was silent; the final state is in the record, from which it takes the player.
    ThroughStore,
    /// Aborted: the taker has no room.
    Refused,
    /// Aborted: the taker did not answer.
    NoAnswer,
    /// Aborted: the client did not attach to the taker in time.
    AttachTimeout,
    /// Aborted: the client went away.
    ClientGone,
    /// Aborted: the link to the taker broke or it is a new incarnation.
    PeerLost,
    /// Aborted: the player is wanted elsewhere meanwhile.
    WantedElsewhere,
    /// Aborted: the player leaves the world.
    Left,
    /// Aborted: the store did not take the commit in time.
    StoreAway,
    /// Committed and taken back, because the taker died before the release or the handoff had been given up.
    TakenBack,
    /// The giver lost its lease or the player; whoever holds the record goes on.
    Lost,
}

impl Outcome {
    /// All outcomes, so that counters start at zero.
    pub const ALL: [Self; 12] = [
        Self::Completed,
        Self::ThroughStore,
        Self::Refused,
        Self::NoAnswer,
        Self::AttachTimeout,
        Self::ClientGone,
        Self::PeerLost,
        Self::WantedElsewhere,
        Self::Left,
        Self::StoreAway,
        Self::TakenBack,
        Self::Lost,
    ];

    /// A static label for metrics and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::ThroughStore => "through_store",
            Self::Refused => "refused",
            Self::NoAnswer => "no_answer",
            Self::AttachTimeout => "attach_timeout",
            Self::ClientGone => "client_gone",
            Self::PeerLost => "peer_lost",
            Self::WantedElsewhere => "wanted_elsewhere",
            Self::Left => "left",
            Self::StoreAway => "store_away",
            Self::TakenBack => "taken_back",
            Self::Lost => "lost",
        }
    }

    /// Whether the subject went over to the taker.
    #[must_use]
    pub const fn moved(self) -> bool {
        matches!(self, Self::Completed | Self::ThroughStore)
    }
}

/// How a zone came to act for a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The player is new to the world.
    Created,
    /// RELEASE arrived.
    Released,
    /// The final state was in the record.
    TakenFromRecord,
    /// The giver is over and never released; the stored state goes on.
    TakenOver,
    /// The owner record was this shard's, closed: an earlier incarnation, or a player who had left.
    Claimed,
    /// The owner's shard exists no more, and this shard owns the ground.
    Adopted,
    /// The player was acted for here all the time; only the client is new.
    Reattached,
}

impl Cause {
    /// A static label for metrics and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Released => "released",
            Self::TakenFromRecord => "taken_from_record",
            Self::TakenOver => "taken_over",
            Self::Claimed => "claimed",
            Self::Adopted => "adopted",
            Self::Reattached => "reattached",
        }
    }
}

/// Why a client's session with this zone ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dismissal {
    /// The handoff for which it attached was aborted. It plays on where it plays.
    HandoffAborted,
    /// Another shard owns the player: join through the directory.
    Elsewhere,
    /// This zone has no room for a new player.
    Full,
    /// The store did not say in time who owns the player: join again.
    StoreAway,
    /// This zone stopped acting for the player: join through the directory.
    Rejoin,
}

impl Dismissal {
    /// A static reason code for the client, metrics and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::HandoffAborted => "handoff_aborted",
            Self::Elsewhere => "elsewhere",
            Self::Full => "full",
            Self::StoreAway => "store_away",
            Self::Rejoin => "rejoin",
        }
    }
}
