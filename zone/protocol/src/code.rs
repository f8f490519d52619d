//! Reason codes that clients see: of commands, of the end of a session, and of a refused handshake. Their labels are the
//! same in logs and metrics.

use crate::wire;

/// The result of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResultCode {
    /// It was done. What changed hands is durable.
    Done,
    /// No such entity in sight.
    UnknownTarget,
    /// The target is not of the right kind, or is the player itself.
    WrongTarget,
    /// The target is too far away.
    OutOfRange,
    /// Done too recently.
    OnCooldown,
    /// The player is dead.
    Dead,
    /// The player is not dead.
    NotDead,
    /// The target is dead.
    TargetDead,
    /// It is too early to respawn.
    TooEarly,
    /// The player does not have that much gold.
    NotEnoughGold,
    /// The receiver cannot hold that much gold.
    PurseFull,
    /// The player does not have that item, or it was named twice.
    NoSuchItem,
    /// The receiver cannot carry that many items.
    InventoryFull,
    /// Neither gold nor items were named.
    NothingNamed,
    /// The offer was taken back, has expired or never was.
    OfferGone,
    /// The player has as many open offers as it may.
    TooManyOffers,
    /// A party is being handed over to another zone; try again at once.
    HandingOver,
    /// The shard holds as much of this as it can.
    ShardFull,
    /// A code of the studio's own game.
    Game(u16),
    /// The store cannot make it durable now; nothing was done.
    StoreUnavailable,
    /// Too many commands of this player wait already.
    TooManyCommands,
}

impl ResultCode {
    /// Every code, for counters that start at zero; the game's own stand as one.
    pub const ALL: [Self; 21] = [
        Self::Done,
        Self::UnknownTarget,
        Self::WrongTarget,
        Self::OutOfRange,
        Self::OnCooldown,
        Self::Dead,
        Self::NotDead,
        Self::TargetDead,
        Self::TooEarly,
        Self::NotEnoughGold,
        Self::PurseFull,
        Self::NoSuchItem,
        Self::InventoryFull,
        Self::NothingNamed,
        Self::OfferGone,
        Self::TooManyOffers,
        Self::HandingOver,
        Self::ShardFull,
        Self::Game(0),
        Self::StoreUnavailable,
        Self::TooManyCommands,
    ];

    /// The reason code.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::UnknownTarget => "unknown_target",
            Self::WrongTarget => "wrong_target",
            Self::OutOfRange => "out_of_range",
            Self::OnCooldown => "on_cooldown",
            Self::Dead => "dead",
            Self::NotDead => "not_dead",
            Self::TargetDead => "target_dead",
            Self::TooEarly => "too_early",
            Self::NotEnoughGold => "not_enough_gold",
            Self::PurseFull => "purse_full",
            Self::NoSuchItem => "no_such_item",
            Self::InventoryFull => "inventory_full",
            Self::NothingNamed => "nothing_named",
            Self::OfferGone => "offer_gone",
            Self::TooManyOffers => "too_many_offers",
            Self::HandingOver => "handing_over",
            Self::ShardFull => "shard_full",
            Self::Game(_) => "game",
            Self::StoreUnavailable => "store_unavailable",
            Self::TooManyCommands => "too_many_commands",
        }
    }

    pub(crate) const fn to_wire(self) -> (wire::ResultCode, u32) {
        use wire::ResultCode as W;
        let code = match self {
            Self::Done => W::Done,
            Self::UnknownTarget => W::UnknownTarget,
            Self::WrongTarget => W::WrongTarget,
            Self::OutOfRange => W::OutOfRange,
            Self::OnCooldown => W::OnCooldown,
            Self::Dead => W::Dead,
            Self::NotDead => W::NotDead,
            Self::TargetDead => W::TargetDead,
            Self::TooEarly => W::TooEarly,
            Self::NotEnoughGold => W::NotEnoughGold,
            Self::PurseFull => W::PurseFull,
            Self::NoSuchItem => W::NoSuchItem,
            Self::InventoryFull => W::InventoryFull,
            Self::NothingNamed => W::NothingNamed,
            Self::OfferGone => W::OfferGone,
            Self::TooManyOffers => W::TooManyOffers,
            Self::HandingOver => W::HandingOver,
            Self::ShardFull => W::ShardFull,
            Self::Game(game) => return (W::Game, game as u32),
            Self::StoreUnavailable => W::StoreUnavailable,
            Self::TooManyCommands => W::TooManyCommands,
        };
        (code, 0)
    }

    pub(crate) fn from_wire(code: i32, game: u32) -> Option<Self> {
        if code == wire::ResultCode::Game as i32 {
            return u16::try_from(game).ok().map(Self::Game);
        }
        Self::ALL.into_iter().find(|known| known.to_wire().0 as i32 == code)
    }
}

/// Why a zone ends a session: in the last message, and as the transport's application code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ClosingCode {
    /// The player left, as it asked; its state is saved.
    Left = 1,
    /// This zone has stopped acting for the player, or another one does: join through the directory.
    Rejoin = 2,
    /// The handoff for which this session was opened is off: play on where you play.
    HandoffAborted = 3,
    /// The player has been handed over and this session is not needed any more.
    HandedOver = 4,
    /// This zone has no room: join again later.
    Full = 5,
    /// The store did not answer in time: join again later.
    StoreAway = 6,
    /// The same player has joined with another session.
    Replaced = 7,
    /// This client broke the protocol.
    BadMessage = 8,
    /// This client sent more than it may.
    TooMuch = 9,
    /// The world stops; everything is saved.
    Shutdown = 10,
}

impl ClosingCode {
    /// Every code, for counters that start at zero.
    pub const ALL: [Self; 10] = [
        Self::Left,
        Self::Rejoin,
        Self::HandoffAborted,
        Self::HandedOver,
        Self::Full,
        Self::StoreAway,
        Self::Replaced,
        Self::BadMessage,
        Self::TooMuch,
        Self::Shutdown,
    ];

    /// The code on the wire, also of `CloseReason::Application` in the transport.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The code with this number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }

    /// The reason code.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Rejoin => "rejoin",
            Self::HandoffAborted => "handoff_aborted",
            Self::HandedOver => "handed_over",
            Self::Full => "full",
            Self::StoreAway => "store_away",
            Self::Replaced => "replaced",
            Self::BadMessage => "bad_message",
            Self::TooMuch => "too_much",
            Self::Shutdown => "shutdown",
        }
    }

    /// Whether a player who gets this on the session that it plays on should ask the directory again, at once or later.
    #[must_use]
    pub const fn asks_to_rejoin(self) -> bool {
        matches!(self, Self::Rejoin | Self::HandedOver | Self::Full | Self::StoreAway | Self::Shutdown)
    }
}

/// Why a zone's gatekeeper refuses a handshake: the code of `Refusal` in the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum AdmissionCode {
    /// The token was not sealed for this world.
    WrongToken = 1,
    /// The token's time is over.
    ExpiredToken = 2,
    /// The token was used before.
    ReplayedToken = 3,
    /// The token is for a shard that this zone does not serve.
    WrongShard = 4,
    /// This zone takes nobody in at the moment.
    NotReady = 5,
    /// This zone has no room.
    Full = 6,
}

impl AdmissionCode {
    /// Every code, for counters that start at zero.
    pub const ALL: [Self; 6] =
        [Self::WrongToken, Self::ExpiredToken, Self::ReplayedToken, Self::WrongShard, Self::NotReady, Self::Full];

    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The code with this number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }

    /// The reason code.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::WrongToken => "wrong_token",
            Self::ExpiredToken => "expired_token",
            Self::ReplayedToken => "replayed_token",
            Self::WrongShard => "wrong_shard",
            Self::NotReady => "not_ready",
            Self::Full => "admission_full",
        }
    }
}
