//! A world at any moment: real trades go on while backups are made, and at every moment that they cover as much gold is
//! there as ever, no item twice, and every trade for both or for none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use darkages_store::faulty::{Chances, Faults, Faulty};
use darkages_store::{
    Checkpoint, Committed, Embedded, Event, Expect, Fence, Kept, LogSeq, LogState, OwnerRecord, PlayerData, RequestId,
    Store, Swap, Swapped, Transaction,
};
use darkages_topology::{OwnerEpoch, PlayerId, ShardId, Tick};
use indicatif::ProgressBar;
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::scene::{GZIP, S, T, Vault, World, create_of, differences_of, records, restore_at};
use crate::backup::create::timestamp;
use crate::backup::files::Files;
use crate::backup::format::Kind;
use crate::backup::log;
use crate::backup::moment::Plan;
use crate::backup::restore::RestoreError;
use crate::backup::rolled::RollError;
use crate::backup::stop::Stop;
use crate::backup::{rotation, verify};

const GOLD: u64 = 1_000;

/// How long a slow store takes for each call.
const PAUSE: Duration = Duration::from_millis(20);

/// A purse and a bag with one item at the start, whose number is the player's.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Holdings {
    gold: u64,
    items: Vec<u64>,
}

impl Holdings {
    fn encode(&self) -> Vec<u8> {
        [self.gold].iter().chain(&self.items).flat_map(|number| number.to_le_bytes()).collect()
    }

    fn decode(state: &[u8]) -> Self {
        let mut numbers = state.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().expect("eight")));
        Self { gold: numbers.next().expect("a purse"), items: numbers.collect() }
    }
}

/// A market: players who trade with each other, and what everybody had after each trade.
struct Market {
    world: World,
    by: Fence,
    random: StdRng,
    trades: u64,
    players: u64,
    /// What everybody had from each moment on.
    truth: BTreeMap<Timestamp, BTreeMap<PlayerId, Holdings>>,
}

impl Market {
    async fn new(players: u64, seed: u64) -> Self {
        let world = World::new();
        let by = world.acquire(S).await;
        let births = (1..=players).map(|player| Swap {
            player: PlayerId(player),
            expect: Expect::Absent,
            next: OwnerRecord::created(S, data(&Holdings { gold: GOLD, items: vec![player] }, 0)),
        });
        let born = world.store.swap(by, births.collect()).await.expect("swap");
        assert!(born.iter().all(|born| *born == Swapped::Done));
        let map = darkages_store::TopologyDocument { revision: darkages_topology::Revision(1), bytes: b"{}".to_vec() };
        world.store.compare_and_swap_topology(None, map).await.expect("the first map");
        Self { world, by, random: StdRng::seed_from_u64(seed), trades: 0, players, truth: BTreeMap::new() }
    }

    /// Some gold and some items change hands.
    async fn trade(&mut self) {
        let [one, other] = [(); 2].map(|()| PlayerId(self.random.random_range(1..=self.players)));
        self.world.clock.advance(Duration::from_millis(self.random.random_range(0..40)));
        if one == other {
            return;
        }
        let mut records = Vec::new();
        for player in [one, other] {
            records.push(self.world.store.owner(player).await.expect("read").expect("born"));
        }
        let mut holdings: Vec<_> = records.iter().map(|record| Holdings::decode(&record.data.state)).collect();
        let gold = self.random.random_range(0..=holdings[0].gold);
        holdings[0].gold -= gold;
        holdings[1].gold += gold;
        if let Some(item) = holdings[0].items.pop() {
            holdings[1].items.push(item);
        }
        let parties = [one, other].into_iter().zip(&records).zip(&holdings);
        let states = parties.map(|((player, record), holdings)| Checkpoint {
            player,
            owner_epoch: record.owner_epoch,
            data: PlayerData { version: record.data.version, ..data(holdings, record.data.version.0) },
        });
        self.trades += 1;
        let trade = Transaction {
            request: RequestId { player: one, number: self.trades },
            states: states.collect(),
            event: Event { kind: 1, tick: Tick(self.trades), payload: Vec::new() },
            answer: Vec::new(),
        };
        let Committed::Done { seq } = self.world.store.commit(self.by, trade).await.expect("commit") else {
            panic!("nobody else trades")
        };
        let at = timestamp(self.world.store.read_log(S, seq, 1).await.expect("read")[0].at);
        let mut all = self.truth.last_key_value().map_or_else(BTreeMap::new, |(_, all)| all.clone());
        all.extend([one, other].into_iter().zip(holdings));
        self.truth.insert(at, all);
    }

    /// What everybody had at a moment; nobody is in it who had not traded yet.
    fn at(&self, moment: Timestamp) -> BTreeMap<PlayerId, Holdings> {
        self.truth.range(..=moment).next_back().map_or_else(BTreeMap::new, |(_, all)| all.clone())
    }
}

fn data(holdings: &Holdings, turn: u64) -> PlayerData {
    PlayerData { state: holdings.encode(), ..super::scene::data(1, turn as u32) }
}

/// What everybody has in a store, who are all there with as much gold as ever and no item twice.
async fn holdings(world: &World, players: u64) -> BTreeMap<PlayerId, Holdings> {
    let all: BTreeMap<_, _> = records(world)
        .await
        .into_iter()
        .map(|(player, record)| (player, Holdings::decode(&record.data.state)))
        .collect();
    assert_eq!(all.len() as u64, players);
    assert_eq!(all.values().map(|holdings| holdings.gold).sum::<u64>(), players * GOLD);
    let mut items: Vec<u64> = all.values().flat_map(|holdings| holdings.items.clone()).collect();
    items.sort_unstable();
    assert!(items.iter().copied().eq(1..=players), "every item once: {items:?}");
    all
}

#[tokio::test]
async fn every_moment_between_backups_is_had_with_every_trade_for_both_or_none() {
    let (mut market, vault) = (Market::new(24, 7).await, Vault::new());
    let mut newest = None;
    for number in 0..5 {
        let catalogue = vault.catalogue().await;
        let previous = catalogue.whole().next_back();
        // The third is a full one again: the log goes on across it.
        let parent = previous.filter(|_| number != 2);
        market.world.clock.advance(Duration::from_millis(7));
        let World { store, clock } = &market.world;
        let made = create_of(&**store, &vault.target, clock, number, GZIP, [parent, previous]).await.expect("a backup");
        assert_eq!(made.follows.map(|follows| follows.id), newest);
        newest = Some(made.id);
        for _ in 0..60 {
            market.trade().await;
        }
    }
    let catalogue = vault.catalogue().await;
    let covers = |place: usize| catalogue.whole().nth(place).expect("five").manifest.covers.expect("it says");
    let (first, last) = (covers(0).records.as_millisecond(), covers(4).until.as_millisecond());
    let mut random = StdRng::seed_from_u64(8);
    for _ in 0..150 {
        let moment = Timestamp::from_millisecond(random.random_range(first..=last)).expect("a time");
        let plan = Plan::at(&catalogue, moment).expect("covered");
        let restored = restore_at(&vault.target, &plan).await.expect("restored");
        let found = holdings(&restored, market.players).await;
        for (player, holdings) in market.at(moment) {
            assert_eq!(found[&player], holdings, "{player} at {moment}");
        }
        assert_eq!(differences_of(&*restored.store, &vault.target, &plan).await.count, 0);
    }
    for outside in [first - 1, last + 1] {
        let moment = Timestamp::from_millisecond(outside).expect("a time");
        let said = Plan::at(&catalogue, moment).expect_err("not covered").to_string();
        assert!(said.contains(&covers(0).records.to_string()) && said.contains(&covers(4).until.to_string()), "{said}");
    }
    for backup in catalogue.whole() {
        assert!(verify::files(&vault.target, backup, &ProgressBar::hidden()).await.is_empty());
    }
    assert!(rotation::surplus(catalogue.whole().map(|whole| &whole.manifest), "test", 5).is_empty());
}

#[tokio::test]
async fn players_who_came_and_went_elsewhere_after_the_records_are_where_the_log_has_them() {
    let (world, vault) = (World::lived_in(10).await, Vault::new());
    vault.create(&world, 1, GZIP, None).await.expect("a full one");
    let (s, t) = (fence(&world, S).await, fence(&world, T).await);
    world.swap(s, PlayerId(11), Expect::Absent, OwnerRecord::created(S, super::scene::data(11, 1))).await;
    world.trade(PlayerId(11), s, OwnerEpoch(1)).await;
    let record = world.store.owner(PlayerId(1)).await.expect("read").expect("there");
    let id = darkages_topology::HandoffId { from: S, from_epoch: s.epoch, number: 99 };
    let open = record.committed(T, id, s, Tick(9), record.data.clone());
    world.swap(s, PlayerId(1), record.expect(), open.clone()).await;
    world.swap(t, PlayerId(1), open.expect(), open.closed(open.data.clone())).await;
    world.trade(PlayerId(1), t, open.owner_epoch).await;
    // While a handoff is open the giver acts.
    let open = world.store.owner(PlayerId(2)).await.expect("read").expect("there");
    world.trade(PlayerId(2), s, open.owner_epoch).await;
    let catalogue = vault.catalogue().await;
    vault.create(&world, 2, GZIP, catalogue.whole().next()).await.expect("an incremental one");
    let catalogue = vault.catalogue().await;
    let covers = catalogue.whole().next_back().and_then(|last| last.manifest.covers).expect("it says");
    let moment = Timestamp::from_millisecond(covers.records.as_millisecond() - 1).expect("a time");
    let plan = Plan::at(&catalogue, moment).expect("covered");
    assert_eq!(plan.log.len(), 2, "by the records of the first");
    let restored = restore_at(&vault.target, &plan).await.expect("restored");
    for player in [1, 2, 11].map(PlayerId) {
        let live = world.store.owner(player).await.expect("read").expect("there");
        let found = restored.store.owner(player).await.expect("read").expect("there");
        let expected = crate::backup::restore::settled(live);
        assert_eq!((found.owner, found.owner_epoch, found.open), (expected.owner, expected.owner_epoch, None));
        assert_eq!(found.data, expected.data, "{player}");
    }
}

async fn fence(world: &World, shard: ShardId) -> Fence {
    world.store.look(shard).await.expect("look").expect("held").fence
}

#[tokio::test]
async fn a_restored_world_begins_another_history_that_no_moment_leads_into() {
    let (mut market, vault) = (Market::new(24, 3).await, Vault::new());
    let made = vault.create(&market.world, 1, GZIP, None).await.expect("a full one");
    market.trade().await;
    let catalogue = vault.catalogue().await;
    let plan = Plan::of(catalogue.chain(made.id).expect("whole"));
    let mut restored = Market { world: restore_at(&vault.target, &plan).await.expect("restored"), ..market };
    restored.by = restored.world.acquire(S).await;
    restored.world.clock.advance(Duration::from_secs(60));
    restored.trade().await;
    let second = vault.create(&restored.world, 2, GZIP, catalogue.whole().next_back()).await.expect("incremental");
    assert_eq!(second.follows, None, "its log tells another history");
    let catalogue = vault.catalogue().await;
    let between = Timestamp::from_millisecond(second.covers.expect("it says").records.as_millisecond() - 1);
    assert!(Plan::at(&catalogue, between.expect("a time")).is_err());
}

#[tokio::test]
async fn a_log_that_lost_entries_before_they_were_saved_follows_nothing() {
    let (world, vault) = (World::new(), Vault::new());
    let by = world.acquire(S).await;
    vault.create(&world, 1, GZIP, None).await.expect("a full one");
    let kept = darkages_store::embedded::LOG_KEPT_PER_SHARD;
    let mut last = LogSeq(0);
    while last.0 <= kept {
        let events = vec![Event::default(); darkages_store::limits::MAX_BATCH];
        last = world.store.append(by, events).await.expect("append");
    }
    let catalogue = vault.catalogue().await;
    let second = vault.create(&world, 2, GZIP, catalogue.whole().next_back()).await.expect("incremental");
    assert_eq!(second.follows, None, "the first entries are gone");
    let catalogue = vault.catalogue().await;
    let third = vault.create(&world, 3, GZIP, catalogue.whole().next_back()).await.expect("incremental");
    assert_eq!(third.follows.map(|follows| follows.id), Some(second.id), "and from there it goes on");
}

#[tokio::test]
async fn a_log_whose_entries_were_too_old_to_be_saved_follows_nothing() {
    let (world, vault) = (World::lived_in(10).await, Vault::new());
    let first = vault.create(&world, 1, GZIP, None).await.expect("a full one");
    let catalogue = vault.catalogue().await;
    let until = first.covers.expect("it says").until.as_millisecond().unsigned_abs();
    let (_wish, stop) = tokio::sync::watch::channel(false);
    for (kept_since, goes_on) in [(until, true), (until + 1, false)] {
        let kept = Kept::Since(Duration::from_millis(kept_since));
        let state = LogState { kept, ..world.store.log_state().await.expect("look") };
        let (stop, id) = (Stop::of(stop.clone()), first.id);
        let mut files = Files { target: &vault.target, stop: &stop, id, compression: GZIP, written: Vec::new() };
        let previous = catalogue.whole().next();
        let saved = log::save(&*world.store, &mut files, &[S, T], previous, state).await.expect("saved");
        assert_eq!(saved.follows.is_some(), goes_on);
    }
}

#[tokio::test]
async fn a_transaction_that_is_missing_in_the_log_is_noticed() {
    let (mut market, vault) = (Market::new(24, 5).await, Vault::new());
    vault.create(&market.world, 1, GZIP, None).await.expect("a full one");
    // Somebody's world whose log begins later, under the number of this history.
    for _ in 0..20 {
        market.trade().await;
    }
    let catalogue = vault.catalogue().await;
    let first = catalogue.whole().next().expect("made");
    let mut ahead = first.clone();
    ahead.manifest.journal = vec![crate::backup::manifest::JournalPosition { shard: S, next: 9, last: None }];
    let second = vault.create(&market.world, 2, GZIP, Some(&ahead)).await.expect("incremental");
    let catalogue = vault.catalogue().await;
    let moment = Timestamp::from_millisecond(second.covers.expect("it says").records.as_millisecond() - 1);
    let plan = Plan::at(&catalogue, moment.expect("a time")).expect("it seems to be covered");
    let error = match restore_at(&vault.target, &plan).await {
        Ok(_) => panic!("eight trades are missing"),
        Err(error) => error,
    };
    assert!(matches!(error, RestoreError::Roll(RollError::Gap { .. })), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_world_that_is_backed_up_while_trades_go_on_comes_back_with_every_trade_for_both_or_none() {
    let (mut market, vault) = (Market::new(1_000, 11).await, Vault::new());
    let (inner, clock): (Arc<dyn Store>, _) = (Arc::<Embedded>::clone(&market.world.store), market.world.clock.clone());
    // Every page waits for a while, so that trades happen between any two.
    let faults = Faults::new(1);
    faults.set_chances(Chances { delay: PAUSE..=PAUSE, ..Chances::default() });
    let slow = Faulty::new(inner, faults);
    let mut making = std::pin::pin!(create_of(&slow, &vault.target, &clock, 1, GZIP, [None; 2]));
    let made = loop {
        tokio::select! {
            biased;
            made = &mut making => break made.expect("a backup"),
            () = tokio::time::sleep(PAUSE / 20) => {}
        }
        for _ in 0..10 {
            market.trade().await;
        }
    };
    assert!(made.records(Kind::Journal).is_some_and(|trades| trades > 20), "trades went on: {made:?}");
    let catalogue = vault.catalogue().await;
    let plan = Plan::of(catalogue.chain(made.id).expect("whole"));
    let restored = restore_at(&vault.target, &plan).await.expect("restored");
    let found = holdings(&restored, market.players).await;
    for (player, holdings) in market.at(plan.moment) {
        assert_eq!(found[&player], holdings, "{player}");
    }
    let raw = Plan { log: Vec::new(), ..plan };
    let torn = restore_at(&vault.target, &raw).await.expect("the records alone");
    let gold = records(&torn).await.iter().map(|(_, record)| Holdings::decode(&record.data.state).gold).sum::<u64>();
    assert_ne!(gold, market.players * GOLD, "without the log some trades are in for one of two");
}
