//! The join desk: a ticket comes in, a connect token goes out.
//!
//! The order of the checks matters. The address is looked at before anything that costs work; the ticket before the store is
//! asked; and its nonce is used up last, so that a player who is told to wait can come back with the same ticket.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use darkages_protocol::ticket::{MAX_TICKET_LIFETIME_S, TicketError};
use darkages_protocol::{ConnectToken, Subject, Ticket, WorldKey};
use darkages_store::{Clock, NonceUse, Store, StoreError};
use darkages_topology::map::ZoneEndpoint;
use darkages_topology::{PlayerId, Position, ShardId};

use crate::issuers::Issuers;
use crate::limit::{AddressLimiter, Rate};
use crate::pick::{NoZone, Place, pick};
use crate::refusal::Refusal;
use crate::view::WorldWatch;
use crate::wire::{self, IssueAnswer, IssueRequest, JoinAnswer, JoinRequest};

/// How long a connect token opens its door, in seconds: a handshake takes a fraction of one, and what is left covers a
/// client on a bad link that tries a few times.
pub const TOKEN_LIFETIME_S: u64 = 30;

/// How long a ticket of the development issuer is valid, in seconds.
pub const ISSUED_LIFETIME_S: u64 = 300;

const _: () = assert!(ISSUED_LIFETIME_S <= MAX_TICKET_LIFETIME_S);

/// Players that the development issuer makes up have this bit, so that they meet nobody who was named by hand.
const MADE_UP_PLAYERS: u64 = 1 << 52;

/// Where random bytes come from: keys and nonces, so it must be fit for secrets.
pub trait Entropy: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// The system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // Without randomness no door may be opened: a process that cannot get any must not go on.
        rand::TryRng::try_fill_bytes(&mut rand::rngs::SysRng, bytes).expect("the system gives random bytes");
    }
}

/// What the desk works with.
pub struct DeskConfig {
    /// Name of the world, which tickets must bear.
    pub world_name: String,
    /// The newest picture of the world.
    pub world: WorldWatch,
    /// Knows where players are and which tickets were used.
    pub store: Arc<dyn Store>,
    /// Judges expiries and rates.
    pub clock: Arc<dyn Clock>,
    /// Source of keys and nonces.
    pub entropy: Arc<dyn Entropy>,
    /// Whose tickets are taken.
    pub issuers: Arc<Issuers>,
    /// The key that the zones share.
    pub world_key: WorldKey,
    /// How often one address may ask.
    pub rate: Rate,
    /// Where a player appears who was never here and whose ticket does not say.
    pub spawn: fn(PlayerId, &darkages_topology::Rect) -> Position,
    /// Whether anybody may have a ticket, signed with the shared key: for development only.
    pub issues_tickets: bool,
}

/// The join desk.
pub struct Desk {
    config: DeskConfig,
    /// Another one after the world was made anew.
    world_key: RwLock<WorldKey>,
    limiter: Mutex<AddressLimiter>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("world_name", &self.config.world_name).finish_non_exhaustive()
    }
}

impl Desk {
    /// A desk that has seen nobody.
    #[must_use]
    pub fn new(config: DeskConfig) -> Self {
        let limiter = Mutex::new(AddressLimiter::new(config.rate, config.clock.elapsed()));
        let world_key = RwLock::new(config.world_key.clone());
        Self { config, world_key, limiter }
    }

    /// Opens doors with another key from now on.
    pub fn set_world_key(&self, key: WorldKey) {
        *self.world_key.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    /// Whether the development issuer is there.
    #[must_use]
    pub fn issues_tickets(&self) -> bool {
        self.config.issues_tickets && self.config.issuers.shared().is_some()
    }

    /// Counts a request against its address.
    ///
    /// # Errors
    /// [`Refusal::TooMany`] with the time to wait.
    pub fn admit(&self, address: IpAddr) -> Result<(), Refusal> {
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.admit(address, self.config.clock.elapsed()).map_err(|wait| Refusal::TooMany { wait })
    }

    /// Where the holder of a ticket plays, and what opens the door.
    ///
    /// # Errors
    /// When the ticket is not good, no zone can take the player, or the store does not answer.
    pub async fn join(&self, request: &JoinRequest) -> Result<JoinAnswer, Refusal> {
        let now = self.config.clock.unix().as_secs();
        let ticket = self.config.issuers.verify(&request.ticket, &self.config.world_name, now)?;
        let place = self.place_of(ticket.player).await?;
        let (shard, zone, spawn) = self.zone_for(&ticket, place)?;
        match self.config.store.use_nonce(ticket.nonce, ticket.expires_unix_s).await? {
            NonceUse::First => Ok(self.open_door(ticket.player, spawn, shard, &zone, now)),
            NonceUse::Again => Err(Refusal::ReplayedTicket),
            NonceUse::Expired => Err(Refusal::ExpiredTicket),
        }
    }

    /// A ticket from the development issuer; `None` when there is no key to sign it with.
    #[must_use]
    pub fn issue(&self, request: &IssueRequest) -> Option<IssueAnswer> {
        let key = self.config.issuers.shared()?;
        let player =
            request.player.unwrap_or_else(|| MADE_UP_PLAYERS | (u64::from_le_bytes(self.random()) % MADE_UP_PLAYERS));
        let expires_unix_s = self.config.clock.unix().as_secs() + ISSUED_LIFETIME_S;
        let ticket = Ticket {
            player: PlayerId(player),
            world: self.config.world_name.clone(),
            expires_unix_s,
            nonce: u128::from_le_bytes(self.random()),
            spawn: request.spawn.map(|wire::Place { x, y }| Position { x, y }),
        };
        Some(IssueAnswer { player, ticket: ticket.sign(key), expires_unix_s })
    }

    async fn place_of(&self, player: PlayerId) -> Result<Option<Place>, Refusal> {
        let record = self.config.store.owner(player).await?;
        Ok(record.map(|record| Place { owner: record.owner, position: record.data.position }))
    }

    fn zone_for(&self, ticket: &Ticket, place: Option<Place>) -> Result<(ShardId, ZoneEndpoint, Position), Refusal> {
        let view = self.config.world.borrow();
        let spawn = ticket.spawn.unwrap_or_else(|| (self.config.spawn)(ticket.player, &view.bounds));
        let (shard, zone) = pick(&view, place, spawn)?;
        Ok((shard, zone.clone(), spawn))
    }

    fn open_door(
        &self,
        player: PlayerId,
        spawn: Position,
        shard: ShardId,
        zone: &ZoneEndpoint,
        now: u64,
    ) -> JoinAnswer {
        let psk: [u8; 32] = self.random();
        let expires_unix_s = now + TOKEN_LIFETIME_S;
        let token = ConnectToken {
            subject: Subject::Player { player, spawn: Some(spawn) },
            shard,
            psk,
            expires_unix_s,
            nonce: u128::from_le_bytes(self.random()),
        };
        let world_key = self.world_key.read().unwrap_or_else(PoisonError::into_inner);
        let sealed = token.seal(&world_key, self.random());
        JoinAnswer {
            player: player.0,
            endpoint: zone.address.to_string(),
            server_key: STANDARD.encode(zone.public_key),
            token: STANDARD.encode(sealed),
            psk: STANDARD.encode(psk),
            expires_unix_s,
        }
    }

    fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.config.entropy.fill(&mut bytes);
        bytes
    }
}

impl From<TicketError> for Refusal {
    fn from(error: TicketError) -> Self {
        match error {
            TicketError::WrongTicket => Self::WrongTicket,
            TicketError::OtherWorld => Self::OtherWorld,
            TicketError::Expired => Self::ExpiredTicket,
            TicketError::TooLongValid => Self::TooLongValid,
        }
    }
}

impl From<NoZone> for Refusal {
    fn from(reason: NoZone) -> Self {
        match reason {
            NoZone::WorldFull => Self::WorldFull,
            NoZone::NoZoneReady => Self::NoZoneReady,
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::warn!(label = error.label(), %error, "the store did not answer a join");
        Self::StoreUnavailable
    }
}
