//! A client just large enough to test a zone with: joins by a token, sends inputs, reads what it is shown.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use darkages_protocol::{
    BlockReader, ClientMessage, ConnectToken, EntityState, InputDatagram, InputValue, Record, Redirect, Snapshot,
    SnapshotAck, SnapshotHeader, SnapshotNumber, Subject, WorldKey, ZoneMessage,
};
use darkages_topology::map::ZoneEndpoint;
use darkages_topology::{EntityId, HandoffId, InputSeq, PlayerId, Position, ShardEpoch, ShardId};
use darkages_transport::{Channel, Endpoint, EndpointConfig, Event, RefuseAll, SessionId, StaticKeypair};

/// The key of the worlds under test.
pub const WORLD_KEY: [u8; 32] = [7; 32];

/// How long anything may take before a test fails.
pub const DEADLINE: Duration = Duration::from_secs(20);

pub struct TestClient {
    endpoint: Endpoint<RefuseAll>,
    session: SessionId,
    seq: InputSeq,
    pub applied: InputSeq,
    held: InputValue,
    /// Whether its inputs are numbered before the zone has shown it anything.
    is_numbered: bool,
    pub newest: SnapshotHeader,
    pub snapshots: u32,
    /// What each slot shows, and how it looked in each snapshot that had it.
    slots: HashMap<u16, (EntityId, BTreeMap<u32, EntityState>)>,
    pub messages: Vec<ZoneMessage>,
    pub closed: Option<darkages_transport::CloseReason>,
    next_input: Instant,
}

impl TestClient {
    /// Dials a zone as `player`, who starts at `spawn` when new.
    pub fn dial(zone: &ZoneEndpoint, shard: ShardId, player: PlayerId, spawn: Position) -> Self {
        Self::dial_as(zone, shard, Subject::Player { player, spawn: Some(spawn) })
    }

    /// Another client of the same player, which comes by a redirect that the zone does not know, as when the zone has crashed
    /// since, and goes on with the inputs of this one.
    pub fn come_unexpected(&self, zone: &ZoneEndpoint, shard: ShardId, player: PlayerId) -> Self {
        let subject = Subject::Redirected {
            player,
            handoff: HandoffId { from: ShardId(2), from_epoch: ShardEpoch(1), number: 1 },
        };
        let Self { seq, applied, .. } = *self;
        Self { seq, applied, is_numbered: true, ..Self::dial_as(zone, shard, subject) }
    }

    fn dial_as(zone: &ZoneEndpoint, shard: ShardId, subject: Subject) -> Self {
        let now = Instant::now();
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let mut endpoint = endpoint(now);
        let nonce = u128::from_le_bytes(subject.to_bytes()[..16].try_into().expect("sixteen bytes"))
            ^ u128::from(endpoint.local_addr().port());
        let token = ConnectToken { subject, shard, psk: [9; 32], expires_unix_s: unix + 60, nonce };
        let sealed =
            token.seal(&WorldKey::new(&WORLD_KEY), nonce.to_le_bytes()[..12].try_into().expect("twelve bytes"));
        let session = endpoint.connect(zone.address, zone.public_key, token.psk, &sealed, now).expect("dialing");
        Self::on(endpoint, session, now)
    }

    fn on(endpoint: Endpoint<RefuseAll>, session: SessionId, now: Instant) -> Self {
        Self {
            endpoint,
            session,
            seq: InputSeq(0),
            applied: InputSeq(0),
            held: InputValue::default(),
            is_numbered: false,
            newest: SnapshotHeader::default(),
            snapshots: 0,
            slots: HashMap::new(),
            messages: Vec::new(),
            closed: None,
            next_input: now,
        }
    }

    /// A second client of the same player, attached to the zone of a redirect, that goes on with the inputs of this one.
    pub fn attach(&self, redirect: &Redirect) -> Self {
        let now = Instant::now();
        let mut endpoint = endpoint(now);
        let Redirect { endpoint: address, server_key, psk, token, .. } = redirect;
        let session = endpoint.connect(*address, *server_key, *psk, token, now).expect("dialing");
        Self {
            seq: self.seq,
            applied: self.applied,
            is_numbered: true,
            newest: SnapshotHeader { number: SnapshotNumber::default(), ..self.newest },
            ..Self::on(endpoint, session, now)
        }
    }

    /// Plays on with `held` as input until `done`, or fails after [`DEADLINE`].
    pub fn play_until(&mut self, held: InputValue, what: &str, mut done: impl FnMut(&Self) -> bool) {
        self.held = held;
        let begun = Instant::now();
        while !done(self) {
            assert!(begun.elapsed() < DEADLINE, "{what} did not come about; closed: {:?}", self.closed);
            self.turn();
        }
    }

    pub fn say(&mut self, message: &ClientMessage) {
        let now = Instant::now();
        self.endpoint.send(self.session, Channel::ReliableOrdered, &message.encode(), now).expect("sending");
    }

    /// Sends raw bytes as the client's input.
    pub fn send_input_bytes(&mut self, bytes: &[u8]) {
        let now = Instant::now();
        let _ = self.endpoint.send(self.session, Channel::Unreliable, bytes, now);
        self.endpoint.flush(now);
    }

    /// Has been told by another zone that so many more inputs were applied than this zone knows of.
    pub fn was_told_more(&mut self, inputs: u32) {
        self.seq = InputSeq(self.seq.0 + inputs);
        self.applied = self.seq;
    }

    /// Ends the session without a word to the zone about the player.
    pub fn hang_up(mut self) {
        self.endpoint.close(self.session, darkages_transport::CloseReason::Done);
        self.endpoint.flush(Instant::now());
    }

    /// The state of an entity as this client is shown it.
    pub fn sees(&self, entity: EntityId) -> Option<&EntityState> {
        let (_, states) = self.slots.values().find(|(id, _)| *id == entity)?;
        states.last_key_value().map(|(_, state)| state)
    }

    pub fn seen(&self) -> usize {
        self.slots.len()
    }

    /// The client's own entity, once it was welcomed.
    pub fn entity(&self) -> Option<EntityId> {
        self.messages.iter().find_map(|message| match message {
            ZoneMessage::Welcome(welcome) => Some(welcome.entity),
            _ => None,
        })
    }

    /// Waits for one thing to happen, or for the time of the next input.
    pub fn turn(&mut self) {
        self.endpoint.wait(self.next_input);
        let now = Instant::now();
        self.endpoint.poll(now);
        while let Some(event) = self.endpoint.next_event() {
            match event {
                Event::Connected { .. } => {}
                Event::Message { channel: Channel::Unreliable, payload, .. } => self.snapshot(&payload),
                Event::Message { payload, .. } => {
                    self.messages.push(ZoneMessage::decode(&payload).expect("a zone's message reads"));
                }
                Event::Closed { reason, .. } => self.closed = Some(reason),
            }
        }
        if now >= self.next_input {
            self.next_input += Duration::from_nanos(darkages_topology::world::TICK_NANOS);
            self.input(now);
        }
    }

    fn input(&mut self, now: Instant) {
        let is_shown = self.newest.number.0 > 0;
        if !(is_shown || self.is_numbered) || self.seq.0 - self.applied.0 >= 100 {
            return;
        }
        self.seq = self.seq.next();
        let count = self.seq.0 - self.applied.0;
        let mut bytes = Vec::new();
        let ack = is_shown.then(|| SnapshotAck::new(self.newest.number, 0));
        InputDatagram::encode(self.seq, [(self.held, count)], ack, &mut bytes);
        let _ = self.endpoint.send(self.session, Channel::Unreliable, &bytes, now);
        self.endpoint.flush(now);
    }

    fn snapshot(&mut self, payload: &[u8]) {
        let snapshot = Snapshot::decode(payload).expect("a snapshot reads");
        assert!(snapshot.header.tick >= self.newest.tick, "ticks never go back");
        self.newest = snapshot.header;
        self.applied = self.applied.max(snapshot.header.applied);
        // A player who comes back goes on from the inputs that its last client had applied.
        self.seq = self.seq.max(self.applied);
        self.snapshots += 1;
        let number = snapshot.header.number;
        for record in BlockReader::new(snapshot.entities) {
            match record.expect("a block reads") {
                Record::Full { slot, entity, state } => {
                    self.slots.insert(slot.get(), (entity, BTreeMap::from([(number.0, state)])));
                }
                Record::Delta { slot, age, delta } => {
                    let (_, states) = self.slots.get_mut(&slot.get()).expect("a delta of an entity that is shown");
                    let baseline = age.baseline(number).expect("a baseline that was sent");
                    let state = delta.apply(states.get(&baseline.0).expect("a baseline that was decoded"));
                    states.insert(number.0, state);
                }
                Record::Remove { slot } => {
                    self.slots.remove(&slot.get());
                }
            }
        }
    }
}

/// An endpoint on a free port.
fn endpoint(now: Instant) -> Endpoint<RefuseAll> {
    let listen: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let config = EndpointConfig::new(listen, StaticKeypair::generate().expect("randomness"), unix);
    Endpoint::bind(config, RefuseAll, now).expect("a free port")
}
