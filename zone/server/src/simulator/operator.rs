//! The operator of the model: writes maps, sees to it that every shard has a pod, and answers probes.

use std::collections::BTreeMap;
use std::rc::Rc;

use darkages_topology::{Axis, ShardId, Side, Topology};
use rand::RngExt;

use super::Time;
use super::cx::Cx;
use super::mail::{Mail, Node};
use super::map::{Map, endpoint};
use super::store::ModelStore;
use super::weather::{FAULTS_END, SECOND};
use super::world::bounds;
use crate::handoff::limits;

/// The operator looks around this often.
const PERIOD: Time = 100_000;

/// A pod that was not heard of for so long may be dead.
const SILENCE: Time = 1_300_000;

/// Shards with ground, at most.
const MAX_SHARDS: usize = 6;

/// What the operator knows.
pub struct Operator {
    pub map: Rc<Map>,
    pods: Vec<Beat>,
    /// Shards that are given to nobody else before then, because that was promised.
    promises: BTreeMap<ShardId, Time>,
    pushed: Time,
}

/// The last heartbeat of a pod.
#[derive(Clone, Copy, Debug, Default)]
struct Beat {
    heard: Time,
    serves: Option<ShardId>,
    is_empty: bool,
}

impl Operator {
    pub fn new(zones: usize, pods: usize, cx: &mut Cx) -> Self {
        let mut topology = Topology::grid(bounds(), zones).expect("the model's ground has room for six shards");
        let ids: Vec<ShardId> = topology.shards().iter().map(|shard| shard.id).collect();
        for (pod, shard) in ids.into_iter().enumerate() {
            topology = topology.assign(shard, endpoint(pod)).expect("every shard gets its own pod");
        }
        cx.at(PERIOD, Node::Operator, Mail::Tick { life: 0 });
        Self {
            map: Rc::new(Map::new(topology)),
            pods: vec![Beat::default(); pods],
            promises: BTreeMap::new(),
            pushed: 0,
        }
    }

    pub fn receive(&mut self, mail: Mail, cx: &mut Cx, store: &ModelStore) {
        match mail {
            Mail::Tick { .. } => self.on_tick(cx, store),
            Mail::Heartbeat { pod, serves, is_empty } => self.pods[pod] = Beat { heard: cx.now, serves, is_empty },
            Mail::OperatorProbe { pod, fence, round } => {
                let reaches_store = reaches(cx, store);
                if !reaches_store {
                    let until = cx.now + limits::PROMISE.as_micros() as Time;
                    self.promises.insert(fence.shard, until);
                }
                let mail = Mail::OperatorAnswer { epoch: fence.epoch, round, reaches_store };
                cx.send(Node::Operator, Node::Pod(pod), mail);
            }
            _ => {}
        }
    }

    fn on_tick(&mut self, cx: &mut Cx, store: &ModelStore) {
        cx.at(cx.now + PERIOD, Node::Operator, Mail::Tick { life: 0 });
        if reaches(cx, store) {
            self.mend(cx, store);
        }
        let changes = cx.weather.map_changes / 10.0;
        if cx.now < FAULTS_END && cx.now > SECOND && cx.happens(changes) {
            self.change(cx);
        }
        if self.pushed + 5 * PERIOD < cx.now {
            self.push(cx);
        }
    }

    fn push(&mut self, cx: &mut Cx) {
        self.pushed = cx.now;
        for pod in 0..self.pods.len() {
            cx.send(Node::Operator, Node::Pod(pod), Mail::Map(Rc::clone(&self.map)));
        }
    }

    fn write(&mut self, next: Topology, cx: &mut Cx) {
        cx.stats.maps += 1;
        cx.trace.note(cx.now, format_args!("map {next:?}"));
        if let Err(error) = next.validate() {
            cx.checks.fail("I8", || error.to_string());
        }
        self.map = Rc::new(Map::new(next));
        self.push(cx);
    }

    fn is_silent(&self, pod: usize, now: Time) -> bool {
        self.pods[pod].heard + SILENCE < now
    }

    /// A pod that lives and serves nothing.
    fn standby(&self, now: Time) -> Option<usize> {
        let is_free = |pod: &usize| self.map.shard_of(*pod).is_none() && self.pods[*pod].serves.is_none();
        (0..self.pods.len()).filter(is_free).find(|&pod| !self.is_silent(pod, now))
    }

    /// Replaces dead pods and forgets shards that are over. Two signals: no heartbeat, and the lease is over.
    fn mend(&mut self, cx: &mut Cx, store: &ModelStore) {
        let now = cx.now;
        let is_over = |shard: ShardId, promises: &BTreeMap<ShardId, Time>| {
            !store.is_held(shard, now) && promises.get(&shard).is_none_or(|&until| now >= until)
        };
        let served: Vec<(ShardId, usize)> = self.map.pods().collect();
        for (shard, pod) in served {
            let Beat { serves, is_empty, .. } = self.pods[pod];
            let is_dead = self.is_silent(pod, cx.now) && is_over(shard, &self.promises);
            let next = if self.map.topology.is_retiring(shard) {
                // A pod that came back without the shard's players serves it no more.
                let is_done = (serves == Some(shard) && is_empty && !self.is_silent(pod, cx.now)) || is_dead;
                if is_done { self.map.topology.retired(shard).ok() } else { None }
            } else if is_dead {
                self.standby(cx.now).and_then(|pod| self.map.topology.assign(shard, endpoint(pod)).ok())
            } else {
                None
            };
            if let Some(next) = next {
                self.write(next, cx);
            }
        }
    }

    /// Splits, merges, slides or moves something.
    fn change(&mut self, cx: &mut Cx) {
        let topology = &self.map.topology;
        let shards = topology.shards();
        let shard = &shards[cx.rng.random_range(0..shards.len())];
        let siblings = topology.siblings();
        let pair = (!siblings.is_empty()).then(|| siblings[cx.rng.random_range(0..siblings.len())]);
        let standby = self.standby(cx.now).map(endpoint);
        let next = match (cx.rng.random_range(0..4), pair, standby) {
            (0, _, Some(zone)) if shards.len() < MAX_SHARDS => {
                let axis = if cx.rng.random_bool(0.5) { Axis::X } else { Axis::Y };
                let (low, high) = (axis.of(shard.bounds.min), axis.of(shard.bounds.max));
                let side = if cx.rng.random_bool(0.5) { Side::Low } else { Side::High };
                topology.split(shard.id, axis, low + (high - low) / 2, side, Some(zone)).ok().map(|(next, _)| next)
            }
            (1, Some((giver, taker)), _) if shards.len() > 1 => {
                let (giver, taker) = if cx.rng.random_bool(0.5) { (giver, taker) } else { (taker, giver) };
                topology.merge(giver, taker).ok()
            }
            (2, Some((first, second)), _) => {
                let at = cx.rng.random_range(0..bounds().max.x);
                topology.slide(first, second, at).ok()
            }
            (3, _, Some(zone)) => topology.move_to(shard.id, zone).ok().map(|(next, _)| next),
            _ => None,
        };
        if let Some(next) = next {
            self.write(next, cx);
        }
    }
}

/// Whether the operator reaches the store.
fn reaches(cx: &Cx, store: &ModelStore) -> bool {
    cx.now >= store.away_until && !cx.is_cut(Node::Operator, Node::Store) && !cx.is_cut(Node::Store, Node::Operator)
}
