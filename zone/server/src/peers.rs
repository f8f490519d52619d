//! Sessions with other zones: who is dialed, who has proved to be whom, and what is said on them.
//!
//! A session proves both ends: the dialing zone by its token, the dialed one by its static key, which is on the map, and by
//! the [`Frame::Hello`] that it sends first. Of two zones the one with the lower shard dials; one that owns no ground dials
//! everybody who has taken it, because nobody else knows of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bincode::{Decode, Encode};
use darkages_sim::{ActionId, EntityView, GhostState, Heading, Kind, SpeedClass};
use darkages_store::Fence;
use darkages_topology::world::INTEREST_RINGS;
use darkages_topology::{EntityId, PlayerId, Position, ShardEpoch, ShardId, Tick, Topology};
use darkages_transport::SessionId;

/// How far players see beyond their zone's ground, in metres, with what a young view sees more and what they may stand beyond
/// the border: zones that are nearer than this show each other what they have.
pub const SIGHT_M: i32 = INTEREST_RINGS[2].0 + 50;

/// Zones that one zone talks to, at most.
pub const MAX_PEERS: usize = 128;

/// Bytes of a frame between zones that is not about a handoff, at most.
pub const MAX_FRAME_BYTES: usize = 16 * 1024;

/// Ghosts in one frame, at most, so that a frame fits one datagram.
pub const MAX_GHOSTS_PER_FRAME: usize = 24;

/// A peer that could not be dialed is left alone for so long.
const REDIAL_AFTER: Duration = Duration::from_millis(500);

/// What zones tell each other besides handoffs.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum Frame {
    /// From the dialed zone, first: which incarnation of which shard it is.
    Hello {
        /// The shard.
        shard: u32,
        /// Its incarnation.
        epoch: u64,
    },
    /// A handoff message, [`PeerMessage::encode`](crate::handoff::PeerMessage::encode).
    Handoff(Vec<u8>),
    /// Entities near the border, as of a tick.
    Ghosts {
        /// The sender's tick.
        tick: u64,
        /// The entities.
        ghosts: Vec<WireGhost>,
    },
    /// These entities are in the world no more: nobody shows them again.
    Gone {
        /// Which.
        entities: Vec<u64>,
    },
    /// An action against an entity of the receiver.
    Action {
        /// The shard that it comes from, its incarnation and its number there.
        id: (u32, u64, u64),
        /// The target.
        target: u64,
        /// When it was done.
        sent: u64,
        /// The game's action.
        action: Vec<u8>,
    },
    /// Bring this player of yours to my shard: it is wanted for a durable action there.
    Meet {
        /// The player.
        player: u64,
    },
}

/// A ghost on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct WireGhost {
    entity: u64,
    player: Option<u64>,
    x: i32,
    y: i32,
    heading: u8,
    /// Kind in the high half, speed in the low one.
    kind_and_speed: u8,
    hit_points: u8,
    flags: u8,
    input: u8,
}

impl WireGhost {
    /// The ghost of an entity.
    #[must_use]
    pub fn new(view: &EntityView, player: Option<PlayerId>) -> Self {
        let EntityView { entity, position, heading, speed, kind, hit_points, flags, input } = *view;
        Self {
            entity: entity.0,
            player: player.map(|player| player.0),
            x: position.x,
            y: position.y,
            heading: heading.0,
            kind_and_speed: (kind as u8) << 4 | speed as u8,
            hit_points,
            flags,
            input,
        }
    }

    /// The ghost as the world knows it; `None` when a number is out of range.
    #[must_use]
    pub fn state(self, from_shard: ShardId, tick: Tick) -> Option<GhostState> {
        let Self { entity, player, x, y, heading, kind_and_speed, hit_points, flags, input } = self;
        let speed = match kind_and_speed & 15 {
            0 => SpeedClass::Standing,
            1 => SpeedClass::Walking,
            2 => SpeedClass::Sprinting,
            _ => return None,
        };
        let view = EntityView {
            entity: EntityId(entity),
            position: Position { x, y },
            heading: Heading(heading),
            speed,
            kind: Kind::from_number(kind_and_speed >> 4)?,
            hit_points,
            flags,
            input,
        };
        Some(GhostState { view, player: player.map(PlayerId), from_shard, tick })
    }
}

impl Frame {
    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        bincode::encode_to_vec(self, bincode::config::standard()).expect("plain numbers and bytes always encode")
    }

    /// The frame in these bytes; `None` when they are none, too many, or more than one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        const LIMIT: usize = crate::handoff::limits::MAX_MESSAGE_BYTES + MAX_FRAME_BYTES;
        if bytes.len() > LIMIT {
            return None;
        }
        let config = bincode::config::standard().with_limit::<LIMIT>();
        let (frame, used) = bincode::decode_from_slice(bytes, config).ok()?;
        (used == bytes.len()).then_some(frame)
    }

    /// An action of the world.
    #[must_use]
    pub fn action(id: ActionId, target: EntityId, sent: Tick, action: Vec<u8>) -> Self {
        Self::Action { id: (id.shard.0, id.epoch.0, id.number), target: target.0, sent: sent.0, action }
    }
}

/// A session with another zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// Dialed by us; not answered, or the other side has not said hello yet.
    Dialing { shard: ShardId },
    /// Both sides know whom they talk to.
    Open { peer: Fence },
}

/// All sessions with other zones.
#[derive(Debug, Default)]
pub struct Peers {
    links: BTreeMap<SessionId, Link>,
    not_before: BTreeMap<ShardId, Instant>,
}

impl Peers {
    /// The session is with this incarnation. Says whether there was none with it before.
    pub fn opened(&mut self, session: SessionId, peer: Fence) -> bool {
        let is_new = self.session_of(peer).is_none();
        self.links.insert(session, Link::Open { peer });
        is_new
    }

    /// A session is being dialed.
    pub fn dialed(&mut self, session: SessionId, shard: ShardId) {
        self.links.insert(session, Link::Dialing { shard });
    }

    /// Whether the session is with another zone or will be.
    #[must_use]
    pub fn contains(&self, session: SessionId) -> bool {
        self.links.contains_key(&session)
    }

    /// The shard that was dialed with this session, while it has not said hello.
    #[must_use]
    pub fn dialing(&self, session: SessionId) -> Option<ShardId> {
        match self.links.get(&session)? {
            Link::Dialing { shard } => Some(*shard),
            Link::Open { .. } => None,
        }
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self, session: SessionId) -> Option<Fence> {
        match self.links.get(&session)? {
            Link::Dialing { .. } => None,
            Link::Open { peer } => Some(*peer),
        }
    }

    /// A session with exactly this incarnation.
    #[must_use]
    pub fn session_of(&self, peer: Fence) -> Option<SessionId> {
        self.links.iter().find(|(_, link)| **link == Link::Open { peer }).map(|(session, _)| *session)
    }

    /// The newest incarnation of a shard with which there is a session.
    #[must_use]
    pub fn of_shard(&self, shard: ShardId) -> Option<(SessionId, Fence)> {
        let open = self.links.iter().filter_map(|(session, link)| match link {
            Link::Open { peer } if peer.shard == shard => Some((*session, *peer)),
            _ => None,
        });
        open.max_by_key(|(_, peer)| peer.epoch)
    }

    /// All incarnations with which there is a session.
    pub fn open(&self) -> impl Iterator<Item = (SessionId, Fence)> + '_ {
        self.links.iter().filter_map(|(session, link)| match link {
            Link::Open { peer } => Some((*session, *peer)),
            Link::Dialing { .. } => None,
        })
    }

    /// The session is over. Returns the incarnation with which none is left.
    pub fn closed(&mut self, session: SessionId, now: Instant) -> Option<Fence> {
        match self.links.remove(&session)? {
            Link::Dialing { shard } => {
                self.not_before.insert(shard, now + REDIAL_AFTER);
                None
            }
            Link::Open { peer } => {
                self.not_before.insert(peer.shard, now + REDIAL_AFTER);
                self.session_of(peer).is_none().then_some(peer)
            }
        }
    }

    /// All sessions, which are forgotten: this zone is somebody else from now on.
    pub fn clear(&mut self) -> Vec<SessionId> {
        self.not_before.clear();
        std::mem::take(&mut self.links).into_keys().collect()
    }

    /// The shards to dial now.
    pub fn to_dial(&mut self, me: ShardId, topology: &Topology, now: Instant) -> Vec<ShardId> {
        self.not_before.retain(|_, until| *until > now);
        let is_landless = topology.shard(me).is_none();
        let near: Vec<_> = if is_landless {
            topology.shards().iter().collect()
        } else {
            topology.neighbours(me, SIGHT_M).into_iter().filter(|other| me < other.id).collect()
        };
        let has_link = |shard: ShardId| {
            self.links.values().any(|link| match link {
                Link::Dialing { shard: dialed } => *dialed == shard,
                Link::Open { peer } => peer.shard == shard,
            })
        };
        let room = MAX_PEERS.saturating_sub(self.links.len());
        let wanted = near.into_iter().filter(|shard| shard.zone.is_some()).map(|shard| shard.id);
        wanted.filter(|shard| !has_link(*shard) && !self.not_before.contains_key(shard)).take(room).collect()
    }

    /// Sessions with incarnations that are not on the map any more.
    #[must_use]
    pub fn strangers(&self, topology: &Topology) -> Vec<SessionId> {
        let is_known = |shard| topology.shard(shard).is_some() || topology.is_retiring(shard);
        self.open().filter(|(_, peer)| !is_known(peer.shard)).map(|(session, _)| session).collect()
    }
}

/// A fence in the numbers of a frame.
#[must_use]
pub const fn fence(shard: u32, epoch: u64) -> Fence {
    Fence { shard: ShardId(shard), epoch: ShardEpoch(epoch) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_read_back_and_nothing_else_reads() {
        let view = EntityView { entity: EntityId(9), position: Position { x: -5, y: 7 }, ..EntityView::default() };
        let frames = [
            Frame::Hello { shard: 3, epoch: 4 },
            Frame::Handoff(vec![1, 2, 3]),
            Frame::Ghosts { tick: 77, ghosts: vec![WireGhost::new(&view, Some(PlayerId(0)))] },
            Frame::Meet { player: u64::MAX },
        ];
        for frame in frames {
            let mut bytes = frame.encode();
            assert_eq!(Frame::decode(&bytes), Some(frame));
            bytes.push(0);
            assert_eq!(Frame::decode(&bytes), None, "something follows");
            bytes.truncate(bytes.len() - 2);
            assert_eq!(Frame::decode(&bytes), None, "something is missing");
        }
    }

    #[test]
    fn a_full_frame_of_ghosts_fits_a_datagram() {
        let far = Position { x: i32::MIN, y: i32::MAX };
        let view = EntityView { entity: EntityId(u64::MAX), position: far, ..EntityView::default() };
        let ghosts = vec![WireGhost::new(&view, Some(PlayerId(1 << 62))); MAX_GHOSTS_PER_FRAME];
        let bytes = Frame::Ghosts { tick: u64::MAX, ghosts }.encode();
        assert!(bytes.len() <= 1_100, "{} bytes", bytes.len());
    }

    #[test]
    fn ghosts_survive_the_wire() {
        let view = EntityView {
            entity: EntityId::new(ShardId(3), 9),
            kind: Kind::Loot,
            speed: SpeedClass::Sprinting,
            ..EntityView::default()
        };
        for player in [None, Some(PlayerId(0)), Some(PlayerId(u64::MAX))] {
            let state = WireGhost::new(&view, player).state(ShardId(1), Tick(5)).expect("written by us");
            assert_eq!((state.view, state.player), (view, player));
        }
    }
}
