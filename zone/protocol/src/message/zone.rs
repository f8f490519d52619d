//! What a zone says besides snapshots.

use std::fmt;
use std::net::SocketAddr;

use darkages_topology::{
    EntityId, HandoffId, InputSeq, OwnerEpoch, PlayerId, Position, Rect, ShardEpoch, ShardId, Tick,
};
use prost::Message;

use super::command::{MAX_GOLD, MAX_ITEMS, RequestId};
use super::event::Event;
use super::{MessageError, decode};
use crate::code::{ClosingCode, ResultCode};
use crate::wire;

/// Bytes of a zone's message, at most.
pub const MAX_ZONE_MESSAGE_BYTES: usize = 4_096;
/// Bytes of a sealed token, at most.
pub const MAX_TOKEN_BYTES: usize = 256;
/// Bytes of an endpoint in text, at most.
const MAX_ENDPOINT_BYTES: usize = 64;
/// Ticks or snapshots a second, at most.
const MAX_RATE_HZ: u32 = 240;

/// A zone's message, on a reliable channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZoneMessage {
    /// The first message of a session.
    Welcome(Welcome),
    /// Attach to another zone in the background. May be repeated.
    Redirect(Box<Redirect>),
    /// The handoff was given up: close the session with the other zone.
    RedirectCancelled {
        /// The handoff.
        handoff: HandoffId,
    },
    /// What the player has.
    SelfState(SelfState),
    /// The answer to a command.
    CommandResult {
        /// The command's number.
        request: RequestId,
        /// The result.
        code: ResultCode,
    },
    /// Something happened.
    Event(Event),
    /// The last message of a session.
    Closing(ClosingCode),
    /// The answer to a ping.
    Pong(Pong),
}

/// What a session begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The player of this session.
    pub player: PlayerId,
    /// Its own entity.
    pub entity: EntityId,
    /// The world's tick.
    pub tick: Tick,
    /// Simulation steps a second, 1 to 240.
    pub tick_rate_hz: u32,
    /// Snapshots a second that are meant for this client, 1 to 240.
    pub snapshot_rate_hz: u32,
    /// Under which epoch the zone acts for the player; 0 when it does not do so yet.
    pub owner_epoch: OwnerEpoch,
    /// The newest applied input of the player; meaningless when `owner_epoch` is 0.
    pub applied: InputSeq,
    /// The ground of the whole world.
    pub bounds: Rect,
}

/// Where to attach for a handoff, and what opens the door once.
#[derive(Clone, PartialEq, Eq)]
pub struct Redirect {
    /// The handoff.
    pub handoff: HandoffId,
    /// UDP address of the other zone.
    pub endpoint: SocketAddr,
    /// Static public key of its transport.
    pub server_key: [u8; 32],
    /// Key that client and zone share for this one handshake.
    pub psk: [u8; 32],
    /// The sealed token, at most [`MAX_TOKEN_BYTES`].
    pub token: Vec<u8>,
    /// The epoch under which the other zone will act for the player.
    pub owner_epoch: OwnerEpoch,
}

impl fmt::Debug for Redirect {
    /// Without its secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { handoff, endpoint, server_key: _, psk: _, token: _, owner_epoch } = self;
        f.debug_struct("Redirect")
            .field("handoff", handoff)
            .field("endpoint", endpoint)
            .field("owner_epoch", owner_epoch)
            .finish_non_exhaustive()
    }
}

/// An item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// Unique in the world for ever.
    pub id: EntityId,
    /// What it is: a number of the game's catalogue.
    pub kind: u16,
}

/// What the player has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelfState {
    /// Hit points.
    pub hit_points: u8,
    /// Pieces of gold, at most [`MAX_GOLD`].
    pub gold: u64,
    /// At most [`MAX_ITEMS`].
    pub items: Vec<Item>,
    /// Raised with each change; wraps around.
    pub version: u32,
}

/// The world's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pong {
    /// As in the ping.
    pub cookie: u64,
    /// The world's tick when the ping was handled.
    pub tick: Tick,
    /// Microseconds since that tick began, at most a million.
    pub micros: u32,
}

impl ZoneMessage {
    /// The bytes to send.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        use wire::zone_message::Message as M;
        let message = match self {
            Self::Welcome(welcome) => M::Welcome(welcome.to_wire()),
            Self::Redirect(redirect) => M::Redirect(redirect.to_wire()),
            Self::RedirectCancelled { handoff } => {
                M::RedirectCancelled(wire::RedirectCancelled { handoff: handoff_to_wire(*handoff) })
            }
            Self::SelfState(state) => M::SelfState(state.to_wire()),
            Self::CommandResult { request, code } => {
                let (code, game_code) = code.to_wire();
                M::CommandResult(wire::CommandResult { request_id: request.0, code: code as i32, game_code })
            }
            Self::Event(event) => M::Event(event.to_wire()),
            Self::Closing(code) => M::Closing(wire::Closing { code: i32::from(code.code()) }),
            Self::Pong(Pong { cookie, tick, micros }) => {
                M::Pong(wire::Pong { cookie: *cookie, tick: tick.0, micros: *micros })
            }
        };
        wire::ZoneMessage { message: Some(message) }.encode_to_vec()
    }

    /// Parses a zone's bytes.
    ///
    /// # Errors
    /// When they are no message of this version or break a range.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        use wire::zone_message::Message as M;
        let message: wire::ZoneMessage = decode(bytes, MAX_ZONE_MESSAGE_BYTES)?;
        Ok(match message.message.ok_or(MessageError::Missing("message"))? {
            M::Welcome(welcome) => Self::Welcome(Welcome::from_wire(welcome)?),
            M::Redirect(redirect) => Self::Redirect(Box::new(Redirect::from_wire(redirect)?)),
            M::RedirectCancelled(wire::RedirectCancelled { handoff }) => {
                Self::RedirectCancelled { handoff: handoff_from_wire(handoff)? }
            }
            M::SelfState(state) => Self::SelfState(SelfState::from_wire(state)?),
            M::CommandResult(wire::CommandResult { request_id, code, game_code }) => Self::CommandResult {
                request: RequestId(request_id),
                code: ResultCode::from_wire(code, game_code).ok_or(MessageError::OutOfRange("code"))?,
            },
            M::Event(event) => Self::Event(Event::from_wire(event)?),
            M::Closing(wire::Closing { code }) => {
                let code = u8::try_from(code).ok().and_then(ClosingCode::from_code);
                Self::Closing(code.ok_or(MessageError::OutOfRange("code"))?)
            }
            M::Pong(wire::Pong { cookie, tick, micros }) => {
                let micros = Some(micros).filter(|micros| *micros <= 1_000_000);
                let micros = micros.ok_or(MessageError::OutOfRange("micros"))?;
                Self::Pong(Pong { cookie, tick: Tick(tick), micros })
            }
        })
    }
}

impl Welcome {
    fn to_wire(self) -> wire::Welcome {
        let Self { player, entity, tick, tick_rate_hz, snapshot_rate_hz, owner_epoch, applied, bounds } = self;
        let Rect { min, max } = bounds;
        wire::Welcome {
            player: player.0,
            entity: entity.0,
            tick: tick.0,
            tick_rate_hz,
            snapshot_rate_hz,
            owner_epoch: owner_epoch.0,
            applied: applied.0,
            bounds: Some(wire::Bounds { min_x: min.x, min_y: min.y, max_x: max.x, max_y: max.y }),
        }
    }

    fn from_wire(welcome: wire::Welcome) -> Result<Self, MessageError> {
        let wire::Welcome { player, entity, tick, tick_rate_hz, snapshot_rate_hz, owner_epoch, applied, bounds } =
            welcome;
        for (field, rate) in [("tick_rate_hz", tick_rate_hz), ("snapshot_rate_hz", snapshot_rate_hz)] {
            if !(1..=MAX_RATE_HZ).contains(&rate) {
                return Err(MessageError::OutOfRange(field));
            }
        }
        let wire::Bounds { min_x, min_y, max_x, max_y } = bounds.ok_or(MessageError::Missing("bounds"))?;
        let bounds = Rect::new(Position { x: min_x, y: min_y }, Position { x: max_x, y: max_y });
        Ok(Self {
            player: PlayerId(player),
            entity: EntityId(entity),
            tick: Tick(tick),
            tick_rate_hz,
            snapshot_rate_hz,
            owner_epoch: OwnerEpoch(owner_epoch),
            applied: InputSeq(applied),
            bounds: bounds.map_err(|_| MessageError::OutOfRange("bounds"))?,
        })
    }
}

impl Redirect {
    fn to_wire(&self) -> wire::Redirect {
        let Self { handoff, endpoint, server_key, psk, token, owner_epoch } = self;
        wire::Redirect {
            handoff: handoff_to_wire(*handoff),
            endpoint: endpoint.to_string(),
            server_key: server_key.to_vec(),
            psk: psk.to_vec(),
            token: token.clone(),
            owner_epoch: owner_epoch.0,
        }
    }

    fn from_wire(redirect: wire::Redirect) -> Result<Self, MessageError> {
        let wire::Redirect { handoff, endpoint, server_key, psk, token, owner_epoch } = redirect;
        let bounded = Some(endpoint).filter(|text| text.len() <= MAX_ENDPOINT_BYTES);
        let endpoint = bounded.and_then(|text| text.parse().ok()).ok_or(MessageError::OutOfRange("endpoint"))?;
        if token.is_empty() || token.len() > MAX_TOKEN_BYTES {
            return Err(MessageError::OutOfRange("token"));
        }
        Ok(Self {
            handoff: handoff_from_wire(handoff)?,
            endpoint,
            server_key: server_key.try_into().map_err(|_| MessageError::OutOfRange("server_key"))?,
            psk: psk.try_into().map_err(|_| MessageError::OutOfRange("psk"))?,
            token,
            owner_epoch: OwnerEpoch(owner_epoch),
        })
    }
}

impl SelfState {
    fn to_wire(&self) -> wire::SelfState {
        let Self { hit_points, gold, items, version } = self;
        let items = items.iter().map(|Item { id, kind }| wire::Item { id: id.0, kind: u32::from(*kind) }).collect();
        wire::SelfState { hit_points: u32::from(*hit_points), gold: *gold, items, version: *version }
    }

    fn from_wire(state: wire::SelfState) -> Result<Self, MessageError> {
        let wire::SelfState { hit_points, gold, items, version } = state;
        if gold > MAX_GOLD {
            return Err(MessageError::OutOfRange("gold"));
        }
        if items.len() > MAX_ITEMS {
            return Err(MessageError::OutOfRange("items"));
        }
        let item = |wire::Item { id, kind }| {
            let kind = u16::try_from(kind).map_err(|_| MessageError::OutOfRange("item kind"))?;
            Ok(Item { id: EntityId(id), kind })
        };
        Ok(Self {
            hit_points: u8::try_from(hit_points).map_err(|_| MessageError::OutOfRange("hit_points"))?,
            gold,
            items: items.into_iter().map(item).collect::<Result<_, MessageError>>()?,
            version,
        })
    }
}

fn handoff_to_wire(handoff: HandoffId) -> Option<wire::HandoffId> {
    let HandoffId { from, from_epoch, number } = handoff;
    Some(wire::HandoffId { from: from.0, from_epoch: from_epoch.0, number })
}

fn handoff_from_wire(handoff: Option<wire::HandoffId>) -> Result<HandoffId, MessageError> {
    let wire::HandoffId { from, from_epoch, number } = handoff.ok_or(MessageError::Missing("handoff"))?;
    Ok(HandoffId { from: ShardId(from), from_epoch: ShardEpoch(from_epoch), number })
}
