//! One player's client against zones that a test plays by hand, without sockets and with its own time.

mod support;

use std::time::{Duration, Instant};

use darkages_client::directory::Door;
use darkages_client::invariant::Invariant;
use darkages_client::player::{Happening, Io, Link, Observer, Player};
use darkages_protocol::{
    ClientMessage, ClosingCode, Command, EntityState, InputValue, Redirect, RequestId, ResultCode, Welcome, ZoneMessage,
};
use darkages_topology::{
    EntityId, HandoffId, InputSeq, OwnerEpoch, PlayerId, Position, Rect, ShardEpoch, ShardId, Tick,
};
use darkages_transport::{Channel, CloseReason};
use support::feed::Feed;

const OWN: EntityId = EntityId(1);
const WALKS: InputValue = InputValue { heading: 0, moving: true, sprinting: false };

/// A network that writes down what it is told.
#[derive(Default)]
struct Net {
    opened: Vec<u16>,
    sent: Vec<(u16, Channel, Vec<u8>)>,
    closed: Vec<u16>,
}

impl Link for Net {
    type Session = u16;

    fn connect(&mut self, door: &Door, _now: Instant) -> Option<u16> {
        self.opened.push(door.address.port());
        Some(door.address.port())
    }

    fn send(&mut self, session: u16, channel: Channel, payload: &[u8], _now: Instant) -> bool {
        self.sent.push((session, channel, payload.to_vec()));
        true
    }

    fn close(&mut self, session: u16, _reason: CloseReason) {
        self.closed.push(session);
    }
}

#[derive(Default)]
struct Notes(Vec<Happening>);

impl Observer for Notes {
    fn on(&mut self, happening: Happening) {
        self.0.push(happening);
    }
}

/// A player, its network and the time. Sessions are named by the port of their zone.
struct Play {
    player: Player<u16>,
    net: Net,
    notes: Notes,
    now: Instant,
}

impl Play {
    fn new() -> Self {
        let now = Instant::now();
        Self { player: Player::new(PlayerId(9), 1, now), net: Net::default(), notes: Notes::default(), now }
    }

    /// A player who is in the world, on the zone at this port, under epoch 1.
    fn inside(port: u16, feed: &mut Feed) -> Self {
        let mut play = Self::new();
        play.player.join(play.now);
        play.knock(port);
        play.say(port, &welcome(1, 0));
        play.show(port, feed, (100, 1, 0), &[(OWN, 0), (EntityId(2), 5), (EntityId(3), 6)]);
        play.notes.0.clear();
        play
    }

    fn with<R>(&mut self, call: impl FnOnce(&mut Player<u16>, &mut Io<'_, Net, Notes>) -> R) -> R {
        let mut io = Io { link: &mut self.net, observer: &mut self.notes, now: self.now };
        call(&mut self.player, &mut io)
    }

    /// The directory names a zone, and its session opens.
    fn knock(&mut self, port: u16) {
        assert!(self.player.asks_for_door() && !self.player.asks_for_door());
        let door = Door { address: ([127, 0, 0, 1], port).into(), server_key: [0; 32], psk: [0; 32], sealed: vec![1] };
        self.with(|player, io| player.door(Ok(&door), io));
        self.player.connected(port);
    }

    fn say(&mut self, port: u16, message: &ZoneMessage) {
        self.with(|player, io| player.message(port, Channel::ReliableOrdered, &message.encode(), io));
    }

    /// A snapshot of `(tick, epoch, applied)` with entities at x metres.
    fn show(
        &mut self,
        port: u16,
        feed: &mut Feed,
        (tick, epoch, applied): (u64, u64, u32),
        entities: &[(EntityId, i32)],
    ) {
        let entities: Vec<(EntityId, EntityState)> = entities.iter().map(|(id, x)| (*id, state(*x, applied))).collect();
        let bytes = feed.snapshot(Tick(tick), OwnerEpoch(epoch), InputSeq(applied), &entities);
        self.with(|player, io| player.message(port, Channel::Unreliable, &bytes, io));
    }

    fn redirect(&mut self, from: u16, to: u16, number: u64, epoch: u64) {
        self.say(
            from,
            &ZoneMessage::Redirect(Box::new(Redirect {
                handoff: handoff(number),
                endpoint: ([127, 0, 0, 1], to).into(),
                server_key: [0; 32],
                psk: [0; 32],
                token: vec![1],
                owner_epoch: OwnerEpoch(epoch),
            })),
        );
    }

    /// Makes inputs and returns the sessions that got datagrams.
    fn input(&mut self, count: usize) -> Vec<u16> {
        self.net.sent.clear();
        for _ in 0..count {
            self.with(|player, io| assert!(player.input(WALKS, io)));
        }
        let mut to: Vec<u16> = self.net.sent.iter().map(|(session, ..)| *session).collect();
        to.dedup();
        to
    }

    fn wait(&mut self, time: Duration) {
        for _ in 0..time.as_millis() / 50 {
            self.now += Duration::from_millis(50);
            self.with(|player, io| player.tick(io));
        }
    }

    fn violations(&self) -> Vec<Invariant> {
        let invariant = |note: &Happening| match note {
            Happening::Violated { invariant, .. } => Some(*invariant),
            _ => None,
        };
        self.notes.0.iter().filter_map(invariant).collect()
    }

    fn visible(&self) -> Vec<u64> {
        let mut ids: Vec<u64> = self.player.entities().map(|(id, _)| id.0).collect();
        ids.sort_unstable();
        ids
    }

    fn disconnects(&self) -> usize {
        self.notes.0.iter().filter(|note| matches!(note, Happening::Disconnected { .. })).count()
    }
}

fn handoff(number: u64) -> HandoffId {
    HandoffId { from: ShardId(1), from_epoch: ShardEpoch(1), number }
}

fn state(x: i32, applied: u32) -> EntityState {
    EntityState {
        position: Position::from_metres(x, 0),
        hit_points: 100,
        input: applied as u8,
        ..EntityState::default()
    }
}

fn welcome(epoch: u64, applied: u32) -> ZoneMessage {
    ZoneMessage::Welcome(Welcome {
        player: PlayerId(9),
        entity: OWN,
        tick: Tick(100),
        tick_rate_hz: 60,
        snapshot_rate_hz: 20,
        owner_epoch: OwnerEpoch(epoch),
        applied: InputSeq(applied),
        bounds: Rect { min: Position::from_metres(-100, -100), max: Position::from_metres(100, 100) },
    })
}

#[test]
fn a_handoff_plays_on_both_zones_and_follows_the_first_higher_epoch() {
    let (mut s, mut t) = (Feed::default(), Feed::default());
    let mut play = Play::inside(1, &mut s);
    assert_eq!(play.input(3), vec![1]);
    play.redirect(1, 2, 7, 2);
    play.redirect(1, 2, 7, 2);
    assert_eq!(play.net.opened, vec![1, 2], "a repeated redirect opens nothing more");
    play.player.connected(2);
    play.say(2, &welcome(0, 0));
    assert_eq!(play.input(2), vec![1, 2, 1, 2], "inputs go to both zones");
    // The next zone prepares its view; nothing of it is followed yet.
    t.filling = true;
    play.show(2, &mut t, (104, 0, 0), &[(OWN, 0), (EntityId(3), 6), (EntityId(4), 9)]);
    assert_eq!(play.visible(), vec![1, 2, 3]);
    play.show(1, &mut s, (105, 1, 4), &[(OWN, 0), (EntityId(2), 5), (EntityId(3), 6)]);
    play.show(2, &mut t, (107, 2, 5), &[(OWN, 0), (EntityId(3), 6), (EntityId(4), 9)]);
    assert_eq!(play.visible(), vec![1, 2, 3, 4], "entity 2 is carried on, entity 4 is new");
    assert!(play.player.inputs().is_empty());
    assert_eq!(play.input(1), vec![2], "the old zone gets no more inputs");
    // What the old zone still says prepares nobody for anything.
    play.show(1, &mut s, (108, 0, 0), &[(OWN, 50)]);
    play.wait(Duration::from_secs(1));
    assert_eq!(play.net.closed, vec![1]);
    play.show(2, &mut t, (200, 2, 6), &[(OWN, 0), (EntityId(3), 6), (EntityId(4), 9)]);
    assert_eq!(play.visible(), vec![1, 2, 3, 4], "while its view fills");
    t.filling = false;
    play.show(2, &mut t, (203, 2, 6), &[(OWN, 0), (EntityId(3), 6), (EntityId(4), 9)]);
    assert_eq!(play.visible(), vec![1, 3, 4], "what the new zone never showed is let go");
    assert_eq!((play.violations(), play.disconnects()), (vec![], 0));
}

#[test]
fn a_zone_that_says_goodbye_before_the_next_one_speaks_disconnects_nobody() {
    let (mut s, mut t) = (Feed::default(), Feed::default());
    let mut play = Play::inside(1, &mut s);
    play.redirect(1, 2, 7, 2);
    play.player.connected(2);
    play.say(1, &ZoneMessage::Closing(ClosingCode::HandedOver));
    play.wait(Duration::from_millis(500));
    assert_eq!(play.input(1), vec![2]);
    play.show(2, &mut t, (110, 2, 0), &[(OWN, 0), (EntityId(2), 5), (EntityId(3), 6)]);
    assert_eq!(play.visible(), vec![1, 2, 3]);
    assert_eq!((play.violations(), play.disconnects()), (vec![], 0));
}

#[test]
fn a_handoff_that_is_called_off_leaves_the_player_where_it_is() {
    let mut s = Feed::default();
    let mut play = Play::inside(1, &mut s);
    play.redirect(1, 2, 7, 2);
    play.player.connected(2);
    play.say(1, &ZoneMessage::RedirectCancelled { handoff: handoff(7) });
    assert_eq!(play.net.closed, vec![2]);
    play.redirect(1, 3, 8, 2);
    play.player.connected(3);
    play.say(3, &ZoneMessage::Closing(ClosingCode::HandoffAborted));
    play.redirect(1, 4, 9, 2);
    play.with(|player, io| player.closed(4, CloseReason::HandshakeTimeout, io));
    assert_eq!(play.input(1), vec![1]);
    // The owner took the player back under a higher epoch.
    play.show(1, &mut s, (105, 3, 1), &[(OWN, 0), (EntityId(2), 5), (EntityId(3), 6)]);
    assert_eq!((play.player.epoch(), play.visible()), (OwnerEpoch(3), vec![1, 2, 3]));
    assert_eq!((play.violations(), play.disconnects()), (vec![], 0));
}

#[test]
fn a_silent_zone_is_left_and_the_view_survives_the_rejoin() {
    let (mut s, mut t) = (Feed::default(), Feed::default());
    let mut play = Play::inside(1, &mut s);
    play.input(2);
    play.wait(Duration::from_secs(3));
    assert_eq!(play.disconnects(), 1);
    assert_eq!(play.visible(), vec![1, 2, 3], "nobody vanishes while nobody speaks");
    play.knock(2);
    play.with(|player, io| player.closed(2, CloseReason::Refused(5), io));
    assert!(!play.player.asks_for_door(), "it waits before it tries again");
    play.wait(Duration::from_millis(200));
    play.knock(3);
    // The zone waits for the old lease: it lets the player in with its first authoritative snapshot.
    play.say(3, &welcome(0, 0));
    t.filling = true;
    play.show(3, &mut t, (300, 0, 0), &[(OWN, 0)]);
    play.wait(Duration::from_secs(2));
    play.show(3, &mut t, (400, 2, 1), &[(OWN, 0), (EntityId(2), 5)]);
    assert!(play.player.is_inside());
    assert_eq!((play.player.inputs().len(), play.player.inputs().acked()), (1, InputSeq(1)));
    play.show(3, &mut t, (403, 2, 2), &[(OWN, 0), (EntityId(2), 5), (EntityId(3), 6)]);
    assert_eq!((play.violations(), play.visible()), (vec![], vec![1, 2, 3]));
}

#[test]
fn inputs_keep_their_numbers_when_a_world_goes_back() {
    let mut s = Feed::default();
    let mut play = Play::inside(1, &mut s);
    play.input(10);
    play.show(1, &mut s, (103, 1, 8), &[(OWN, 0)]);
    play.with(|player, io| player.closed(1, CloseReason::IdleTimeout, io));
    play.knock(2);
    play.say(2, &welcome(2, 5));
    assert!(play.notes.0.contains(&Happening::TakenBack { inputs: 3 }));
    let mut t = Feed::default();
    assert_eq!(play.input(1), vec![2]);
    let (_, _, datagram) = &play.net.sent[0];
    let numbers: Vec<u32> = t.inputs(datagram, InputSeq(5)).iter().map(|(seq, _)| seq.0).collect();
    assert_eq!(numbers, vec![9, 10, 11], "two that were held and the new one");
}

#[test]
fn what_breaks_an_invariant_is_noticed() {
    let mut s = Feed::default();
    let others = [(OWN, 0), (EntityId(2), 5)];
    let mut play = Play::inside(1, &mut s);
    play.show(1, &mut s, (104, 1, 0), &others);
    play.show(1, &mut s, (110, 1, 0), &[(OWN, 0), (EntityId(2), 5), (EntityId(3), 6)]);
    assert_eq!(play.violations(), vec![Invariant::I6], "entity 3 vanished and came back");
    let mut play = Play::inside(1, &mut Feed::default());
    play.with(|player, io| player.message(1, Channel::Unreliable, &[0xff; 30], io));
    assert_eq!(play.violations(), vec![Invariant::I7], "garbage");
    let (mut s, mut t) = (Feed::default(), Feed::default());
    let mut play = Play::inside(1, &mut s);
    play.show(1, &mut s, (103, 2, 0), &others);
    play.show(1, &mut s, (106, 1, 0), &others);
    assert_eq!(play.violations(), vec![Invariant::I5], "the epoch went back");
    play.notes.0.clear();
    play.show(1, &mut s, (90, 2, 0), &others);
    assert_eq!(play.violations(), vec![Invariant::I5], "the tick went back");
    play.notes.0.clear();
    play.redirect(1, 2, 7, 3);
    play.player.connected(2);
    play.show(2, &mut t, (110, 3, 0), &[(OWN, 40), (EntityId(2), 5)]);
    assert_eq!(play.violations(), vec![Invariant::I9], "40 m in seven ticks");
    play.notes.0.clear();
    play.show(2, &mut t, (113, 3, 4), &others);
    assert_eq!(play.violations(), vec![Invariant::I4], "inputs are applied that were never made");
}

#[test]
fn a_command_is_said_again_after_a_handoff_and_answered_once() {
    let (mut s, mut t) = (Feed::default(), Feed::default());
    let mut play = Play::inside(1, &mut s);
    let request = play.with(|player, io| player.command(Command::Respawn, io)).expect("there is room");
    play.redirect(1, 2, 7, 2);
    play.player.connected(2);
    play.show(2, &mut t, (103, 2, 0), &[(OWN, 0)]);
    play.wait(Duration::from_millis(50));
    let said: Vec<(u16, RequestId)> = play
        .net
        .sent
        .iter()
        .filter(|(_, channel, _)| channel.is_reliable())
        .filter_map(|(session, _, bytes)| match ClientMessage::decode(bytes) {
            Ok(ClientMessage::Command { request, .. }) => Some((*session, request)),
            _ => None,
        })
        .collect();
    assert_eq!(said, vec![(1, request), (2, request)]);
    let answer = ZoneMessage::CommandResult { request, code: ResultCode::NotDead };
    play.say(2, &answer);
    play.say(2, &answer);
    let answers = play.notes.0.iter().filter(|note| matches!(note, Happening::Answered { .. })).count();
    assert_eq!((answers, play.player.pending_commands()), (1, 0));
}

#[test]
fn a_player_who_leaves_delivers_its_inputs_first() {
    let mut s = Feed::default();
    let mut play = Play::inside(1, &mut s);
    play.input(5);
    play.with(|player, io| player.leave(io));
    assert!(play.with(|player, io| !player.input(WALKS, io)), "it makes no more");
    play.net.sent.clear();
    play.wait(Duration::from_millis(50));
    let (_, _, datagram) = play.net.sent.last().expect("it repeats what is not acknowledged");
    assert_eq!(s.inputs(datagram, InputSeq(0)).len(), 5);
    play.show(1, &mut s, (106, 1, 5), &[(OWN, 0)]);
    play.wait(Duration::from_millis(50));
    let (_, _, leave) = play.net.sent.last().expect("it says goodbye");
    assert_eq!(ClientMessage::decode(leave), Ok(ClientMessage::Leave));
    play.say(1, &ZoneMessage::Closing(ClosingCode::Left));
    assert!(play.player.is_outside());
    assert!(play.notes.0.contains(&Happening::Left { unacked: 0 }));
    assert_eq!(play.disconnects(), 0);
}
