//! The machine's path without faults, and single rules. Everything that can go wrong is the simulator's.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use darkages_store::{Fence, OwnerRecord, Phase, PlayerData, Swapped};
use darkages_topology::{EntityId, InputSeq, OwnerEpoch, PlayerId, Position, ShardEpoch, ShardId, Tick};

use super::*;

const S: Fence = Fence { shard: ShardId(1), epoch: ShardEpoch(1) };
const T: Fence = Fence { shard: ShardId(2), epoch: ShardEpoch(1) };
const P: PlayerId = PlayerId(7);
const LEASE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct World {
    simulated: BTreeMap<Subject, PlayerData>,
    ghosts: BTreeMap<Subject, ShardId>,
}

impl Players for World {
    fn capture(&mut self, subject: Subject) -> Option<PlayerData> {
        self.simulated.get(&subject).cloned()
    }
    fn insert(&mut self, subject: Subject, data: &PlayerData, _: OwnerEpoch) -> Result<(), UnreadableState> {
        self.ghosts.remove(&subject);
        self.simulated.insert(subject, data.clone());
        Ok(())
    }
    fn remove(&mut self, subject: Subject, left_to: Option<ShardId>) {
        self.simulated.remove(&subject);
        if let Some(shard) = left_to {
            self.ghosts.insert(subject, shard);
        }
    }
    fn ghost(&mut self, subject: Subject, _: &PlayerData, of: ShardId) {
        self.ghosts.insert(subject, of);
    }
    fn fresh(&mut self, _: PlayerId) -> PlayerData {
        PlayerData::default()
    }
    fn is_busy(&self, _: PlayerId) -> bool {
        false
    }
    fn owner_of(&self, _: Position) -> Option<ShardId> {
        Some(S.shard)
    }
    fn exists(&self, shard: ShardId) -> bool {
        shard == S.shard || shard == T.shard
    }
}

struct Zone {
    machine: ZoneMachine,
    world: World,
    seen: Vec<Action>,
}

/// Two zones, a store without faults, messages that arrive at once, a client that does as it is told.
struct Pair {
    zones: [Zone; 2],
    records: BTreeMap<PlayerId, OwnerRecord>,
    tick: u64,
    store_answers: bool,
    follows_redirects: bool,
}

impl Pair {
    fn new() -> Self {
        let config = Config { capacity: 10, has_operator: false, variant: Variant::Sound };
        let zones = [S, T].map(|me| Zone {
            machine: ZoneMachine::new(config, me, LEASE),
            world: World::default(),
            seen: Vec::new(),
        });
        let mut pair =
            Self { zones, records: BTreeMap::new(), tick: 100, store_answers: true, follows_redirects: true };
        pair.pass(0, Event::PeerUp { peer: T });
        pair.pass(1, Event::PeerUp { peer: S });
        pair
    }

    fn ticks(&mut self, count: u64) {
        for _ in 0..count {
            self.tick += 1;
            self.pass(0, Event::Tick);
            self.pass(1, Event::Tick);
        }
    }

    /// Passes an event and everything that follows from it.
    fn pass(&mut self, zone: usize, event: Event) {
        let mut events = VecDeque::from([(zone, event)]);
        while let Some((zone, event)) = events.pop_front() {
            let mut actions = Vec::new();
            let now = Moment { tick: Tick(self.tick), elapsed: Duration::from_millis(self.tick * 16) };
            let Zone { machine, world, .. } = &mut self.zones[zone];
            machine.step(now, event, world, &mut actions);
            for action in actions {
                self.zones[zone].seen.push(action.clone());
                events.extend(self.carry_out(zone, action));
            }
        }
    }

    fn carry_out(&mut self, zone: usize, action: Action) -> Option<(usize, Event)> {
        let from = self.zones[zone].machine.fence();
        match action {
            Action::Send { to, message } => {
                let (to, message) = PeerMessage::decode(&message.encode(to)).expect("what was encoded decodes");
                Some((1 - zone, Event::Peer { from, to, message }))
            }
            Action::Redirect { player, handoff, .. } if self.follows_redirects => {
                Some((1 - zone, Event::Attached { player, handoff: Some(handoff) }))
            }
            Action::Store { call, player, request } if self.store_answers => {
                let answer = match request {
                    StoreRequest::Look => StoreAnswer::Looked(self.records.get(&player).cloned()),
                    StoreRequest::Swap(swap) if swap.expect.matches(self.records.get(&player)) => {
                        self.records.insert(player, swap.next);
                        StoreAnswer::Swapped(Swapped::Done)
                    }
                    StoreRequest::Swap(_) => {
                        StoreAnswer::Swapped(Swapped::Conflict(self.records.get(&player).cloned()))
                    }
                };
                Some((zone, Event::Stored { call, player, answer }))
            }
            _ => None,
        }
    }

    fn joined() -> Self {
        let mut pair = Self::new();
        pair.pass(0, Event::Attached { player: P, handoff: None });
        pair.ticks(1);
        assert!(pair.zones[0].machine.acts_for(P));
        pair
    }

    fn want(&mut self, zone: usize, to: ShardId, reason: Reason) {
        self.pass(zone, Event::Want { subject: Subject::Player(P), to, reason });
    }

    /// The handoffs for which the first zone has redirected the client.
    fn redirects(&self) -> Vec<darkages_topology::HandoffId> {
        let redirect = |action: &Action| match action {
            Action::Redirect { handoff, .. } => Some(*handoff),
            _ => None,
        };
        self.zones[0].seen.iter().filter_map(redirect).collect()
    }

    fn acting(&self) -> [bool; 2] {
        [0, 1].map(|zone| {
            let acts = self.zones[zone].machine.acts_for(P);
            assert_eq!(acts, self.zones[zone].world.simulated.contains_key(&Subject::Player(P)));
            acts
        })
    }
}

#[test]
fn a_player_who_walks_across_is_with_the_taker_a_few_ticks_later() {
    let mut pair = Pair::joined();
    let data = PlayerData { last_input: InputSeq(41), ..PlayerData::default() };
    pair.zones[0].world.simulated.insert(Subject::Player(P), data);
    pair.want(0, T.shard, Reason::Border);
    pair.ticks(6);
    assert_eq!(pair.acting(), [false, true]);
    assert_eq!(pair.zones[1].world.simulated[&Subject::Player(P)].last_input, InputSeq(41));
    assert_eq!(pair.zones[0].world.ghosts[&Subject::Player(P)], T.shard);
    let record = &pair.records[&P];
    assert_eq!((record.owner, record.owner_epoch, record.phase()), (T.shard, OwnerEpoch(2), Phase::Closed));
    assert!(pair.zones[0].machine.is_empty());
    let outcome = pair.zones[0].seen.iter().find_map(|action| match action {
        Action::Finished { outcome, ticks, .. } => Some((*outcome, *ticks)),
        _ => None,
    });
    assert!(matches!(outcome, Some((Outcome::Completed, ticks)) if ticks <= 6), "{outcome:?}");
}

#[test]
fn who_walks_back_at_once_stays_for_a_while() {
    let mut pair = Pair::joined();
    pair.want(0, T.shard, Reason::Border);
    pair.ticks(6);
    pair.want(1, S.shard, Reason::Border);
    pair.ticks(limits::MIN_STAY / 2);
    assert_eq!(pair.acting(), [false, true]);
    pair.ticks(limits::MIN_STAY);
    assert_eq!(pair.acting(), [true, false]);
    assert_eq!(pair.records[&P].owner_epoch, OwnerEpoch(3));
}

#[test]
fn a_release_that_comes_again_is_not_taken_again() {
    let mut pair = Pair::joined();
    pair.want(0, T.shard, Reason::Border);
    pair.ticks(6);
    let release = pair.zones[0].seen.iter().find_map(|action| match action {
        Action::Send { message: message @ PeerMessage::Release { .. }, .. } => Some(message.clone()),
        _ => None,
    });
    let release = release.expect("it was released");
    pair.want(1, S.shard, Reason::Ground);
    pair.ticks(6);
    assert_eq!(pair.acting(), [true, false]);
    pair.pass(1, Event::Peer { from: S, to: T, message: release });
    assert_eq!(pair.acting(), [true, false]);
}

#[test]
fn requests_that_come_while_the_commit_is_out_go_along() {
    let mut pair = Pair::joined();
    pair.store_answers = false;
    pair.want(0, T.shard, Reason::Durable);
    pair.ticks(2);
    assert_eq!(pair.zones[0].machine.may_start_durable(P, Duration::ZERO), Err(NotNow::HandingOver));
    pair.pass(0, Event::Command { player: P, command: Box::from(*b"trade") });
    pair.store_answers = true;
    pair.ticks(limits::CALL_TIMEOUT + limits::CALL_BACKOFF + 8);
    assert_eq!(pair.acting(), [false, true]);
    let commands = pair.zones[1].seen.iter().find_map(|action| match action {
        Action::Playing { commands, .. } => Some(commands.clone()),
        _ => None,
    });
    assert_eq!(commands, Some(vec![Box::from(*b"trade")]));
    assert_eq!(pair.zones[1].machine.may_start_durable(P, Duration::ZERO), Ok(()));
}

#[test]
fn a_zone_stops_when_its_lease_may_be_over() {
    let mut pair = Pair::joined();
    pair.tick += 60_000 / 16;
    pair.ticks(1);
    assert_eq!(pair.acting(), [false, false]);
    assert!(pair.zones[0].seen.contains(&Action::StopAll { why: "lease_over" }));
    assert!(pair.zones[0].machine.is_over());
}

#[test]
fn who_leaves_is_saved_and_claimed_by_the_next_join() {
    let mut pair = Pair::joined();
    pair.pass(0, Event::Detached { player: P });
    pair.pass(0, Event::Leave { player: P });
    pair.ticks(2);
    assert!(pair.zones[0].machine.is_empty());
    assert!(pair.zones[0].seen.contains(&Action::Gone { player: P }));
    pair.pass(0, Event::Attached { player: P, handoff: None });
    pair.ticks(1);
    assert_eq!(pair.acting(), [true, false]);
    assert_eq!(pair.records[&P].owner_epoch, OwnerEpoch(3));
}

#[test]
fn a_client_that_attached_for_a_handoff_that_was_called_off_is_none_for_the_next() {
    let mut pair = Pair::joined();
    pair.follows_redirects = false;
    pair.want(0, T.shard, Reason::Border);
    pair.ticks(limits::ATTACH_TIMEOUT + 1);
    let stale = pair.redirects()[0];
    pair.ticks(limits::RETRY_FIRST + 1);
    let next = pair.redirects()[1];
    assert_ne!(stale, next);
    // The first attachment comes late: its client has hung up already, and must not be relied upon.
    pair.pass(1, Event::Attached { player: P, handoff: Some(stale) });
    pair.ticks(limits::RESEND + 6);
    assert_eq!(pair.acting(), [true, false]);
    pair.pass(1, Event::Attached { player: P, handoff: Some(next) });
    pair.ticks(6);
    assert_eq!(pair.acting(), [false, true]);
}

#[test]
fn an_npc_moves_without_record_and_client() {
    let mut pair = Pair::new();
    let npc = Subject::Npc(EntityId::new(S.shard, 3));
    pair.zones[0].world.simulated.insert(npc, PlayerData::default());
    pair.pass(0, Event::Want { subject: npc, to: T.shard, reason: Reason::Border });
    pair.ticks(1);
    assert!(!pair.zones[0].world.simulated.contains_key(&npc));
    assert!(pair.zones[1].world.simulated.contains_key(&npc));
    assert!(pair.records.is_empty());
}

#[test]
fn a_split_moves_three_hundred_players_well_within_two_seconds() {
    let mut pair = Pair::new();
    for zone in &mut pair.zones {
        let config = Config { capacity: 1_000, has_operator: false, variant: Variant::Sound };
        zone.machine = ZoneMachine::new(config, zone.machine.fence(), LEASE);
    }
    pair.pass(0, Event::PeerUp { peer: T });
    pair.pass(1, Event::PeerUp { peer: S });
    for player in (1..=300).map(PlayerId) {
        pair.pass(0, Event::Attached { player, handoff: None });
    }
    pair.ticks(1);
    assert_eq!(pair.zones[0].machine.counts().acting, 300);
    for player in (1..=300).map(PlayerId) {
        pair.pass(0, Event::Want { subject: Subject::Player(player), to: T.shard, reason: Reason::Ground });
    }
    pair.ticks(40);
    assert_eq!(pair.zones[1].machine.counts(), Counts { acting: 300, ..Counts::default() });
}

#[test]
fn hostile_bytes_of_a_peer_are_refused() {
    let message = PeerMessage::Probe { round: 3 };
    let mut bytes = message.encode(S);
    assert!(PeerMessage::decode(&bytes[..bytes.len() - 1]).is_err());
    bytes.push(0);
    assert!(matches!(PeerMessage::decode(&bytes), Err(DecodeError::Trailing { extra: 1 })));
    assert!(PeerMessage::decode(&[0xff; 64]).is_err());
    assert!(matches!(PeerMessage::decode(&vec![0; limits::MAX_MESSAGE_BYTES + 1]), Err(DecodeError::TooLong { .. })));
}

#[test]
fn the_bytes_of_a_release_stay_as_they_are() {
    let handoff = darkages_topology::HandoffId { from: S.shard, from_epoch: S.epoch, number: 300 };
    let data = PlayerData {
        state: vec![1, 2],
        last_input: InputSeq(9),
        position: Position { x: -1, y: 64 },
        ..PlayerData::default()
    };
    let message = PeerMessage::Release {
        handoff,
        subject: Subject::Player(P),
        owner_epoch: OwnerEpoch(2),
        cut: Tick(1_000),
        sent: Tick(1_000),
        data,
        commands: vec![Box::from(*b"c")],
    };
    let bytes = message.clone().encode(T);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "0201050101fb2c01000702fbe803fbe80302010200090180010163");
    assert_eq!(PeerMessage::decode(&bytes).expect("own bytes"), (T, message));
}
