//! One run of one seed.

use std::rc::Rc;

use darkages_topology::{EntityId, Position};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::checks::Broken;
use super::client::Client;
use super::cx::{Cx, Strike};
use super::fate::random_cut;
use super::mail::{Ask, Mail, Node, Reply};
use super::operator::Operator;
use super::pod::Pod;
use super::sessions::player_of;
use super::stats::Stats;
use super::store::ModelStore;
use super::trace::Trace;
use super::weather::{FAULTS_END, RUN_END, SECOND, Weather};
use super::{Failure, Time};
use crate::handoff::Variant;

/// Pods beyond those that serve at the start.
const STANDBY: usize = 3;

/// Fate looks around this often.
const FATE_PERIOD: Time = 100_000;

/// A killed pod's place is taken by a fresh process after so long.
const RESTART: (Time, Time) = (300_000, 2_500_000);

/// A whole world.
struct World {
    cx: Cx,
    store: ModelStore,
    operator: Operator,
    pods: Vec<Pod>,
    clients: Vec<Client>,
    variant: Variant,
    npcs: usize,
}

/// What a run gave.
pub struct Run {
    /// What happened.
    pub stats: Stats,
    /// The rule that was broken, without a trace.
    pub failure: Option<Failure>,
    /// The last events, oldest first, when the run was traced.
    pub trace: Vec<String>,
}

/// Runs the world of a seed until its end or until a rule is broken.
#[must_use]
pub fn run(seed: u64, variant: Variant, traced: bool) -> Run {
    let mut world = World::new(seed, variant, traced);
    while world.cx.now < RUN_END && world.cx.checks.broken.is_none() {
        let Some((to, mail)) = world.cx.next() else { break };
        world.handle(to, mail);
        world.strike();
        if let Some((invariant, what)) = world.store.broken.take() {
            world.cx.checks.fail(invariant, || what);
        }
    }
    if world.cx.checks.broken.is_none() {
        world.check_end();
    }
    let Cx { now, checks, stats, trace, .. } = world.cx;
    let at_s = now as f64 / SECOND as f64;
    let failure =
        checks.broken.map(|Broken { invariant, what }| Failure { seed, invariant, what, at_s, trace: Vec::new() });
    Run { stats, failure, trace: trace.into_lines() }
}

impl World {
    fn new(seed: u64, variant: Variant, traced: bool) -> Self {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let weather = Weather::of(&mut rng);
        let (zones, players, npcs) = (weather.zones, weather.players, weather.npcs);
        let mut cx = Cx::new(rng, weather, Trace::new(traced));
        cx.trace.note(0, format_args!("{:?}", cx.weather));
        let pods = zones + STANDBY;
        let operator = Operator::new(zones, pods, &mut cx);
        let pods = (0..pods).map(|pod| Pod::new(pod, 1, Rc::clone(&operator.map), variant, &mut cx)).collect();
        let clients = (0..players).map(|client| Client::new(client, &mut cx)).collect();
        cx.at(FATE_PERIOD, Node::Fate, Mail::Tick { life: 0 });
        Self { cx, store: ModelStore::default(), operator, pods, clients, variant, npcs }
    }

    fn handle(&mut self, to: Node, mail: Mail) {
        let Self { cx, store, operator, pods, clients, .. } = self;
        match to {
            Node::Pod(index) => {
                let pod = &mut pods[index];
                if !pod.is_up {
                    return;
                }
                if cx.now < pod.frozen_until {
                    return cx.at(pod.frozen_until, to, mail);
                }
                pod.receive(mail, cx, store);
            }
            Node::Client(index) => clients[index].receive(mail, cx, store, &operator.map),
            Node::Operator => operator.receive(mail, cx, store),
            Node::Store => self.serve(mail),
            Node::Fate => self.fate(mail),
        }
    }

    /// The store serves a request.
    fn serve(&mut self, mail: Mail) {
        let Mail::Ask { pod, life, ask } = mail else { return };
        let Self { cx, store, .. } = self;
        let (now, to) = (cx.now, Node::Pod(pod));
        if now < store.away_until {
            // Some requests are refused, some are never heard of again.
            if cx.rng.random_bool(0.5) {
                cx.answer(to, Mail::Reply { life, reply: Reply::Away });
            }
            return;
        }
        let reply = match ask {
            Ask::Acquire { asked, shard } => Reply::Leased { asked, leased: store.acquire(shard, now) },
            Ask::Renew { asked, fence } => Reply::Leased { asked, leased: store.renew(fence, now) },
            Ask::GiveUp { fence } => return store.give_up(fence),
            Ask::Look { epoch, call, player } => {
                Reply::Looked { epoch, call, player, record: store.records.get(&player).cloned() }
            }
            Ask::Swap { fence, call, swap } => {
                let player = swap.player;
                cx.trace.note(now, format_args!("store {fence} swaps {swap:?}"));
                let swapped = store.swap(fence, *swap, now);
                Reply::Swapped { epoch: fence.epoch, call, player, swapped }
            }
            Ask::Save { fence, player, epoch, data } => {
                if store.save(fence, player, epoch, data, now) {
                    return;
                }
                Reply::Refused { player, epoch }
            }
            Ask::Trade { fence, trade } => {
                let traded = store.trade(fence, (*trade).clone(), now);
                Reply::Traded { trade, traded }
            }
        };
        cx.answer(to, Mail::Reply { life, reply });
    }

    fn fate(&mut self, mail: Mail) {
        // The restart of a pod: its number is where a life would be.
        if let Mail::Welcome { conn } = mail {
            return self.restart(conn as usize);
        }
        let cx = &mut self.cx;
        if cx.now >= FAULTS_END {
            return self.clear_up();
        }
        cx.at(cx.now + FATE_PERIOD, Node::Fate, Mail::Tick { life: 0 });
        if cx.now < SECOND {
            return self.populate();
        }
        let pods = self.pods.len();
        let Weather { kills, freezes, partitions, outages, .. } = cx.weather;
        if cx.happens(kills / 10.0) {
            let pod = cx.rng.random_range(0..pods);
            cx.strikes.push(Strike::Kill(pod));
        }
        if cx.happens(freezes / 10.0) {
            let (pod, length) = (cx.rng.random_range(0..pods), cx.rng.random_range(50_000..3_000_000));
            cx.strikes.push(Strike::Freeze(pod, length));
        }
        if cx.happens(partitions / 10.0) {
            random_cut(pods, cx);
        }
        if cx.happens(outages / 10.0) {
            cx.stats.outages += 1;
            self.store.away_until = cx.now + cx.rng.random_range(200_000..3_000_000);
            cx.trace.note(cx.now, format_args!("the store is away until {}", self.store.away_until));
        }
    }

    /// Puts the NPCs into the first zone that lives.
    fn populate(&mut self) {
        let pod = self.pods.iter_mut().find(|pod| pod.machine.is_some() && pod.shard().is_some());
        let Some(pod) = pod.filter(|_| self.npcs > 0) else { return };
        let me = pod.shard().unwrap_or_default();
        let ground = pod.world.map.ground(me).copied();
        for number in 0..std::mem::take(&mut self.npcs) {
            let entity = EntityId::new(me, number as u64 + 1);
            pod.world.npcs.insert(entity, ground.map_or(Position::default(), |ground| ground.min));
            self.cx.checks.npc_inserted(pod.index, entity);
        }
    }

    fn clear_up(&mut self) {
        let cx = &mut self.cx;
        cx.trace.note(cx.now, format_args!("the faults are over"));
        cx.weather.clear_up();
        cx.mend();
        self.store.away_until = 0;
    }

    /// What fate has put down for after the event.
    fn strike(&mut self) {
        while let Some(strike) = self.cx.strikes.pop() {
            let cx = &mut self.cx;
            cx.trace.note(cx.now, format_args!("fate: {strike:?}"));
            match strike {
                Strike::Kill(pod) if self.pods[pod].is_up => {
                    cx.stats.kills += 1;
                    cx.checks.died(pod);
                    self.pods[pod].is_up = false;
                    let restart = cx.rng.random_range(RESTART.0..RESTART.1);
                    cx.at(cx.now + restart, Node::Fate, Mail::Welcome { conn: pod as u32 });
                }
                Strike::Freeze(pod, length) if self.pods[pod].is_up => {
                    cx.stats.freezes += 1;
                    cx.checks.froze(pod);
                    let until = (cx.now + length).min(FAULTS_END);
                    self.pods[pod].frozen_until = until.max(self.pods[pod].frozen_until);
                }
                Strike::Kill(_) | Strike::Freeze(..) => {}
                Strike::Cut(one, other, until) => {
                    cx.cut(one.bit(), other.bit(), until);
                    cx.cut(other.bit(), one.bit(), until);
                }
            }
        }
    }

    fn restart(&mut self, index: usize) {
        let life = self.pods[index].life + 1;
        self.pods[index] = Pod::new(index, life, Rc::clone(&self.operator.map), self.variant, &mut self.cx);
    }

    /// What must hold after the faults: I2, I3, and that every input arrived.
    fn check_end(&mut self) {
        let Self { cx, store, clients, pods, .. } = self;
        for (index, client) in clients.iter().enumerate() {
            let player = player_of(index);
            let holders = cx.checks.holders(player);
            let is_playing = client.heard() + SECOND > cx.now;
            // A release may be on its way at this very moment; then somebody acted a moment ago.
            // Where the world is full, nobody new gets in.
            let is_refused = cx.weather.capacity < cx.weather.players && !store.records.contains_key(&player);
            if client.is_active() && !is_refused && (holders > 1 || !is_playing) {
                let heard = client.heard();
                cx.checks.fail("I2", || {
                    let record =
                        store.records.get(&player).map(|record| (record.owner, record.owner_epoch, record.open));
                    format!("{holders} zones act for {player}, who heard of one at {heard} µs; record {record:?}")
                });
            }
            let (acked, made) = client.inputs();
            if client.is_active() && !is_refused && acked != made {
                cx.checks.fail("I4", || format!("{player} made inputs up to {made}, acknowledged are {acked}"));
            }
            let applied = cx.checks.applied_by(player);
            if applied > made {
                cx.checks.fail("I4", || format!("{player} made inputs up to {made}, applied are {applied}"));
            }
        }
        // Some may be on their way at this very moment.
        let npcs = cx.checks.npcs();
        let released: usize =
            pods.iter().filter_map(|pod| pod.machine.as_ref()).map(|machine| machine.counts().npcs).sum();
        if !cx.checks.is_lossy && !(npcs..=npcs + released).contains(&cx.weather.npcs) {
            let made = cx.weather.npcs;
            cx.checks.fail("I3", || format!("there are {npcs} NPCs, there were {made}"));
        }
        cx.checks.conserved(store);
    }
}
