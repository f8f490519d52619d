//! The steward of one `ZoneServer`: looks at its pods and zones ten times a second, plans, and carries out what is due.
//!
//! Nothing that it remembers is needed to go on: one that starts anew finds the map in the store and in the status, pods by
//! their labels, and what is under way in what zones say. While it is not there zones play on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use darkages_crds::{ZoneServer, ZoneServerStatus};
use darkages_plan::{Change, Life, Look, Operation, Pilot, Refused, Step};
use darkages_topology::{ShardId, Topology, ZoneEndpoint};
use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::events::{Event, EventType};
use kube::runtime::reflector::ObjectRef;
use kube::{Resource as _, ResourceExt as _};
use rand::RngExt as _;
use serde_json::json;
use tokio::time::Instant;

use super::children::{Children, budget};
use super::chronicle::Chronicle;
use super::names::{FIELD_MANAGER, FINALIZER};
use super::office::Office;
use super::pod::{Recipe, ZonePod, free_port};
use super::pods::{Change as PodChange, Pool};
use super::rival::is_nobodys;
use super::settings::{at_least, plan_config};
use super::status::{Problem, Seen, capacity, status};
use super::store::{WorldStore, Written, store_url};
use super::zones::{Heard, Zones};
use crate::deadline::CallError;
use crate::gallery::Scene;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What goes wrong is tried again after so long.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How often a status is written that has changed in its numbers only.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// How often the objects beside pods are looked after, when nothing says that it is due.
const TEND_EVERY: Duration = Duration::from_secs(60);

/// A pod that was made or deleted is taken to be seen as such after so long, at most.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

/// Pods that are too many are deleted when they have been for so long.
const SURPLUS_FOR: Duration = Duration::from_secs(30);

/// Zones of a `ZoneServer` that is deleted get so long to save their players.
const RELEASED_WITHIN: Duration = Duration::from_secs(60);

/// What was seen last is not said any more when looks have failed for so long.
const LOSES_SIGHT_AFTER: Duration = Duration::from_secs(5);

/// How long a new steward may take to hear of all zones.
const HEARD_WITHIN: Duration = Duration::from_secs(3);

/// Calls for pods at a time, at most.
const CALLS_AT_ONCE: usize = 4;

/// Shards whose lease is asked for at a time, at most.
const LEASES_AT_ONCE: usize = 16;

/// A store that has not answered for so long is opened anew, by what its secret says now.
const REOPEN_AFTER: Duration = Duration::from_secs(15);

/// The steward of one `ZoneServer`.
pub struct Steward {
    office: Arc<Office>,
    key: ObjectRef<ZoneServer>,
    started: Instant,
    since: Timestamp,
    children: Option<(Children, i64, Instant)>,
    world: Option<World>,
    zones: Zones,
    /// Pods that were made and are not seen yet, and those that were deleted.
    made: Vec<(ZonePod, Instant)>,
    deleted: Vec<(String, Instant)>,
    surplus_since: Option<Instant>,
    /// Why no pods are made, and when it is tried again.
    refused: Option<(Problem, Instant)>,
    /// What the next pod is called.
    next_name: Option<String>,
    /// Pods that evictions have to leave, as was told last.
    budget: Option<usize>,
    releasing_since: Option<Instant>,
    failing_since: Option<Instant>,
    problem: Option<Problem>,
    again_at: Instant,
    told: Option<(ZoneServerStatus, Instant)>,
    chronicle: Chronicle,
}

/// The world of a steward, once its store is open.
struct World {
    store: WorldStore,
    pilot: Pilot,
    reached_at: Instant,
}

impl std::fmt::Debug for Steward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Steward").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Steward {
    /// The steward of this `ZoneServer`.
    #[must_use]
    pub fn new(office: Arc<Office>, key: ObjectRef<ZoneServer>) -> Self {
        let now = Instant::now();
        Self {
            office,
            key,
            started: now,
            since: Timestamp::now(),
            children: None,
            world: None,
            zones: Zones::default(),
            made: Vec::new(),
            deleted: Vec::new(),
            surplus_since: None,
            refused: None,
            next_name: None,
            budget: None,
            releasing_since: None,
            failing_since: None,
            problem: None,
            again_at: now,
            told: None,
            chronicle: Chronicle::default(),
        }
    }

    /// Looks after it until it is gone.
    pub async fn run(mut self) {
        let mut clock = tokio::time::interval(LOOK_EVERY);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            let Some(owner) = self.office.fleet.zone_server(&self.key) else { return };
            if !self.office.mandate.holds() || Instant::now() < self.again_at {
                continue;
            }
            let began = Instant::now();
            let done = match owner.metadata.deletion_timestamp {
                Some(_) => self.release(&owner).await,
                None => self.look(&owner).await,
            };
            self.office.metrics.looked(done.is_ok(), began.elapsed());
            if done.is_ok() {
                self.failing_since = None;
            }
            if let Err(error) = done {
                tracing::warn!(zone_server = %self.key, %error, "tried again");
                if self.failing_since.get_or_insert(began).elapsed() >= LOSES_SIGHT_AFTER {
                    self.lose_sight(&owner).await;
                }
                self.again_at = Instant::now() + TRY_AGAIN_AFTER;
            }
        }
    }

    /// One look: observe, plan, apply, tell.
    async fn look(&mut self, owner: &Arc<ZoneServer>) -> Result<(), CallError> {
        self.tend(owner).await?;
        let pods = self.pods(owner);
        let reaches_store = match self.open(owner).await {
            Ok(()) => self.world.as_ref().is_some_and(|world| world.store.reach.now()),
            Err(problem) => {
                self.complain(owner, problem).await;
                self.again_at = Instant::now() + TRY_AGAIN_AFTER;
                return self.tell(owner, &pods, &[], &[], false).await;
            }
        };
        let Some(mut world) = self.world.take() else { return Ok(()) };
        let acted = self.act(owner, &mut world, &pods).await;
        self.world = Some(world);
        let (heard, refused) = acted?;
        self.tell(owner, &pods, &heard.looks, &refused, reaches_store).await?;
        self.show(owner, heard);
        Ok(())
    }

    /// What was seen last says nothing of now: the picture goes, and so does the number of players, if that can be told.
    async fn lose_sight(&mut self, owner: &Arc<ZoneServer>) {
        self.office.gallery.remove(&self.key);
        let pods = self.office.fleet.pods(owner);
        if owner.metadata.deletion_timestamp.is_none() {
            let _ = self.tell(owner, &pods, &[], &[], false).await;
        }
    }

    /// Hangs up what was seen, for whoever asks.
    fn show(&self, owner: &ZoneServer, heard: Heard) {
        let Some(world) = &self.world else { return };
        let map = world.pilot.map().clone();
        let capacity = capacity(&owner.spec, map.shards().len());
        let events = self.chronicle.events();
        let scene = Scene { unix_ms: unix_ms(), map, capacity, looks: heard.looks, events };
        self.office.gallery.show(&self.key, scene);
    }

    /// Sees to the objects beside pods: the finalizer, secrets, what keeps drains from taking everything.
    async fn tend(&mut self, owner: &ZoneServer) -> Result<(), CallError> {
        let generation = owner.metadata.generation.unwrap_or_default();
        let due = match &self.children {
            Some((_, of, at)) => *of != generation || at.elapsed() >= TEND_EVERY,
            None => true,
        };
        if !due {
            return Ok(());
        }
        if !owner.finalizers().iter().any(|finalizer| finalizer == FINALIZER) {
            let with_ours = owner.finalizers().iter().map(String::as_str).chain([FINALIZER]);
            self.set_finalizers(owner, with_ours.collect()).await?;
        }
        match Children::tend(&self.office, owner).await {
            Ok(children) => self.children = Some((children, generation, Instant::now())),
            Err(problem) => {
                self.complain(owner, problem).await;
                self.again_at = Instant::now() + TRY_AGAIN_AFTER;
            }
        }
        Ok(())
    }

    /// The pods that there are. Those that were made and are not seen yet are among them.
    fn pods(&mut self, owner: &ZoneServer) -> Vec<ZonePod> {
        let mut pods = self.office.fleet.pods(owner);
        let now = Instant::now();
        self.made.retain(|(made, at)| now - *at < SEEN_WITHIN && pods.iter().all(|pod| pod.name != made.name));
        self.deleted.retain(|(name, at)| now - *at < SEEN_WITHIN && pods.iter().any(|pod| pod.name == *name));
        for pod in &mut pods {
            pod.leaving |= self.deleted.iter().any(|(name, _)| *name == pod.name);
        }
        pods.extend(self.made.iter().map(|(made, _)| made.clone()));
        pods
    }

    fn recipe<'a>(&'a self, owner: &'a ZoneServer) -> Recipe<'a> {
        Recipe { owner, image: &self.office.image }
    }

    /// The store that the secret names, unless the world in it is another's.
    async fn store(&self, owner: &ZoneServer) -> Result<WorldStore, Problem> {
        let url = store_url(&self.office.api(owner), owner).await?;
        if self.world.is_none() {
            is_nobodys(&self.office, owner, &url).await?;
        }
        WorldStore::open(&url, owner).await
    }

    /// Opens the store and finds the map, unless that is done.
    async fn open(&mut self, owner: &ZoneServer) -> Result<(), Problem> {
        if let Some(world) = &mut self.world {
            if world.store.reach.now() {
                world.reached_at = Instant::now();
            }
            if world.reached_at.elapsed() < REOPEN_AFTER {
                return Ok(());
            }
        }
        let store = match self.store(owner).await {
            Ok(store) => store,
            // What there is may answer again, and zones play on by themselves.
            Err(problem) => match &mut self.world {
                Some(world) => {
                    world.reached_at = Instant::now();
                    tracing::warn!(zone_server = %self.key, problem = problem.message, "the store is away");
                    return Ok(());
                }
                None => return Err(problem),
            },
        };
        let map = store.first_map(owner, map_of(owner)).await?;
        let pilot = Pilot::new(plan_config(&owner.spec), at_least(&owner.spec), map)
            .map_err(|error| Problem { reason: "SpecInvalid", message: format!("spec.{error}") })?;
        self.world = Some(World { store, pilot, reached_at: Instant::now() });
        self.problem = None;
        Ok(())
    }

    /// Hears zones, plans, writes the map, tells zones, sees to pods.
    async fn act(
        &mut self,
        owner: &Arc<ZoneServer>,
        world: &mut World,
        pods: &[ZonePod],
    ) -> Result<(Heard, Vec<Refused>), CallError> {
        let Some((children, ..)) = &self.children else { return Ok((Heard::default(), Vec::new())) };
        let now = self.started.elapsed();
        if let Err(error) = world.pilot.configure(plan_config(&owner.spec), at_least(&owner.spec)) {
            self.problem = Some(Problem { reason: "SpecInvalid", message: format!("spec.{error}") });
        }
        self.zones.follow(pods, &children.tls, &world.store.reach);
        let cordoned = self.office.fleet.cordoned();
        let hash = self.recipe(owner).hash();
        let leaves = |pod: &ZonePod| pod.leaving || pod.node.as_ref().is_some_and(|node| cordoned.contains(node));
        let mut heard = self.zones.heard(pods, world.pilot.map(), leaves);
        renew_one(&mut heard.looks, world.pilot.map(), pods, &hash);
        if owner.spec.paused {
            self.zones.obey(world.pilot.map(), &heard.looks);
            return Ok((heard, Vec::new()));
        }
        let lapsed = lapsed(world, &heard.looks).await;
        let Step { write, done, refused, zones_wanted } = world.pilot.step(now, &heard.looks, &lapsed);
        for (operation, took) in done {
            self.office.metrics.settled(&operation.change, took);
            let note = format!(
                "{} of {} is done after {} ms",
                operation.change.label(),
                shards(&operation.change),
                took.as_millis()
            );
            self.chronicle.record(unix_ms(), &operation.change, note.clone());
            self.note(owner, EventType::Normal, "Settled", note).await;
        }
        if let Some((map, operations)) = write.filter(|_| self.office.mandate.holds()) {
            match world.store.write(Some(world.pilot.map()), &map).await {
                Ok(Written::Done) => {
                    for operation in &operations {
                        self.office.metrics.begun(&operation.change);
                        self.announce(owner, operation).await;
                    }
                    world.pilot.written(now, map, operations, &heard.looks);
                    // The new map is told to everybody at once.
                    self.told = None;
                }
                Ok(Written::Overtaken(map)) => world.pilot.overtaken(map),
                Ok(Written::Unanswered) => {}
                Err(problem) => self.complain(owner, problem).await,
            }
        }
        self.zones.obey(world.pilot.map(), &heard.looks);
        let serving: BTreeSet<_> = world.pilot.served().map(|(_, zone)| zone.zone.0.clone()).collect();
        // A world that keeps no zone in reserve needs one to be renewed.
        let renews = pods.iter().any(|pod| pod.hash != hash && serving.contains(&pod.name));
        let standby = usize::try_from(owner.spec.standby).unwrap_or(usize::MAX).max(usize::from(renews));
        let wanted = zones_wanted.saturating_add(standby);
        let pool = Pool { pods, serving: &serving, lost: &heard.lost, hash: &hash, cordoned: &cordoned, wanted };
        let change = pool.plan();
        self.see_to_pods(owner, pods, change).await?;
        Ok((heard, refused))
    }

    /// Makes and deletes pods.
    async fn see_to_pods(&mut self, owner: &ZoneServer, pods: &[ZonePod], change: PodChange) -> Result<(), CallError> {
        let PodChange { make, mut delete, surplus } = change;
        if surplus.is_empty() {
            self.surplus_since = None;
        } else if self.surplus_since.get_or_insert_with(Instant::now).elapsed() >= SURPLUS_FOR {
            delete.extend(surplus);
        }
        self.delete_pods(owner, delete).await?;
        let available = pods.iter().filter(|pod| pod.running.is_some() && !pod.leaving).count().saturating_sub(1);
        if self.budget != Some(available) {
            budget(&self.office, owner, available).await?;
            self.budget = Some(available);
        }
        if make == 0 {
            self.refused = None;
        }
        if self.refused.as_ref().is_some_and(|(_, again_at)| Instant::now() < *again_at) {
            return Ok(());
        }
        match self.make_pods(owner, pods, make).await {
            Ok(()) => self.refused = None,
            Err(MakeError::Refused(problem)) => {
                if self.refused.as_ref().is_none_or(|(known, _)| *known != problem) {
                    self.note(owner, EventType::Warning, problem.reason, problem.message.clone()).await;
                }
                self.refused = Some((problem, Instant::now() + TRY_AGAIN_AFTER));
            }
            Err(MakeError::Call(error)) => return Err(error),
        }
        Ok(())
    }

    /// Deletes pods of these names, with the time that they need to be taken over. One that is gone already is no error.
    async fn delete_pods(&mut self, owner: &ZoneServer, names: Vec<String>) -> Result<(), CallError> {
        let (office, api) = (&self.office, &self.office.api::<Pod>(owner));
        let answers: Vec<_> = stream::iter(names)
            .map(|name| async move { (office.write(api.delete(&name, &DeleteParams::default())).await, name) })
            .buffer_unordered(CALLS_AT_ONCE)
            .collect()
            .await;
        for (answer, name) in answers {
            match answer {
                Err(error) if error.code() != Some(404) => return Err(error),
                _ => self.deleted.push((name, Instant::now())),
            }
        }
        Ok(())
    }

    async fn make_pods(&mut self, owner: &ZoneServer, pods: &[ZonePod], make: usize) -> Result<(), MakeError> {
        let api = self.office.api::<Pod>(owner);
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let mut taken = pods.to_vec();
        for _ in 0..make {
            let port = free_port(owner.spec.network.port_range, &taken).ok_or_else(|| {
                let message = "spec.network.portRange: every port has a zone: give more".to_owned();
                MakeError::Refused(Problem { reason: "PortsExhausted", message })
            })?;
            // The same again when it was refused, so that the same is said of it.
            let name = self.next_name.get_or_insert_with(|| format!("{}-{}", owner.name_any(), suffix())).clone();
            let pod = self.recipe(owner).made(name, port);
            let pod = self.office.write(api.create(&params, &pod)).await?;
            self.next_name = None;
            let made = ZonePod::from(&pod);
            taken.push(made.clone());
            self.made.push((made, Instant::now()));
            if let Some(service) = self.recipe(owner).service(&pod, port) {
                self.office.write(self.office.api(owner).create(&params, &service)).await?;
            }
        }
        Ok(())
    }

    /// Lets everybody go: zones save their players and end, then their pods go, then the `ZoneServer`.
    async fn release(&mut self, owner: &ZoneServer) -> Result<(), CallError> {
        let since = *self.releasing_since.get_or_insert_with(Instant::now);
        // A steward that starts with this has to find the zones first.
        self.tend(owner).await?;
        if let Err(problem) = self.open(owner).await {
            tracing::warn!(zone_server = %self.key, problem = problem.message, "zones are not told to save their players now");
        }
        let pods = self.office.fleet.pods(owner);
        if let (Some((children, ..)), Some(world)) = (&self.children, &self.world) {
            self.zones.follow(&pods, &children.tls, &world.store.reach);
        }
        self.zones.stop();
        let is_told = |pod: &&ZonePod| pod.leaving || self.deleted.iter().any(|(name, _)| *name == pod.name);
        let untold = pods.iter().filter(|pod| !is_told(pod)).map(|pod| pod.name.clone()).collect();
        self.delete_pods(owner, untold).await?;
        let late = since.elapsed() >= RELEASED_WITHIN;
        if !pods.is_empty() && !late {
            return Ok(());
        }
        if late && !pods.is_empty() {
            let note = format!(
                "{} pods did not end within {} s: {}; their players are as old as their last checkpoint",
                pods.len(),
                RELEASED_WITHIN.as_secs(),
                pods.iter().map(|pod| pod.name.as_str()).collect::<Vec<_>>().join(", ")
            );
            self.note(owner, EventType::Warning, "NotReleased", note).await;
        } else {
            self.note(owner, EventType::Normal, "Released", "all players are saved".to_owned()).await;
        }
        let others = owner.finalizers().iter().map(String::as_str).filter(|finalizer| *finalizer != FINALIZER);
        match self.set_finalizers(owner, others.collect()).await {
            Err(error) if error.code() != Some(404) => Err(error),
            _ => Ok(()),
        }
    }

    /// Replaces what keeps the `ZoneServer`, unless somebody else was first.
    async fn set_finalizers(&self, owner: &ZoneServer, finalizers: Vec<&str>) -> Result<(), CallError> {
        let patch = json!({"metadata": {"finalizers": finalizers, "resourceVersion": owner.resource_version()}});
        let (api, params) = (self.office.api::<ZoneServer>(owner), PatchParams::default());
        self.office.write(api.patch(&owner.name_any(), &params, &Patch::Merge(patch))).await.map(drop)
    }

    /// Writes the status when there is something new to say.
    async fn tell(
        &mut self,
        owner: &Arc<ZoneServer>,
        pods: &[ZonePod],
        looks: &[Look],
        refused: &[Refused],
        reaches_store: bool,
    ) -> Result<(), CallError> {
        let now = self.started.elapsed();
        let pilot = self.world.as_ref().map(|world| &world.pilot);
        // While the store is away that is the map all the same, and what goes by the status goes on.
        let told = map_of(owner);
        let seen = Seen {
            wanted: owner,
            map: pilot.map(Pilot::map).or(told.as_ref()),
            looks,
            refused,
            under_way: pilot
                .into_iter()
                .flat_map(Pilot::under_way)
                .map(|it| (it, now.saturating_sub(it.since)))
                .collect(),
            problem: self.problem.as_ref(),
            trouble: self.refused.as_ref().map(|(problem, _)| problem.message.clone()).or_else(|| trouble(pods)),
            reaches_store,
            steward_since: self.since,
            now: Timestamp::now(),
        };
        let status = status(&seen);
        let before = owner.status.as_ref().map_or(0, |status| status.ready_replicas);
        if self.started.elapsed() < HEARD_WITHIN && status.ready_replicas < before {
            // Nobody has become worse because this steward is new.
            return Ok(());
        }
        let due = match &self.told {
            None => true,
            Some((told, at)) => {
                let urgent = told.topology != status.topology || holds(told) != holds(&status);
                *told != status && (urgent || at.elapsed() >= TELL_EVERY)
            }
        };
        if !due {
            return Ok(());
        }
        let api = self.office.api::<ZoneServer>(owner);
        let patch = json!({
            "apiVersion": ZoneServer::api_version(&()),
            "kind": ZoneServer::kind(&()),
            "metadata": {"name": owner.name_any(), "uid": owner.uid()},
            "status": status,
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        self.office.write(api.patch_status(&owner.name_any(), &params, &Patch::Apply(patch))).await?;
        self.told = Some((status, Instant::now()));
        Ok(())
    }

    /// Says what keeps the world from being served, once.
    async fn complain(&mut self, owner: &ZoneServer, problem: Problem) {
        if self.problem.as_ref() == Some(&problem) {
            return;
        }
        self.note(owner, EventType::Warning, problem.reason, problem.message.clone()).await;
        self.problem = Some(problem);
    }

    async fn announce(&mut self, owner: &ZoneServer, operation: &Operation) {
        let reason = match operation.change {
            Change::Split { .. } => "Splitting",
            Change::Merge { .. } => "Merging",
            Change::Slide { .. } => "Sliding",
            Change::Move { .. } => "Moving",
            Change::Assign { .. } => "Assigning",
            Change::Forget { .. } => return,
        };
        let note = format!("{} of {}: {}", operation.change.label(), shards(&operation.change), operation.why);
        self.chronicle.record(unix_ms(), &operation.change, note.clone());
        self.note(owner, EventType::Normal, reason, note).await;
    }

    async fn note(&self, owner: &ZoneServer, type_: EventType, reason: &str, note: String) {
        tracing::info!(zone_server = %self.key, reason, note);
        let event =
            Event { type_, reason: reason.to_owned(), note: Some(note), action: "Steward".to_owned(), secondary: None };
        let regarding = owner.object_ref(&());
        if let Err(error) = self.office.write(self.office.recorder.publish(&event, &regarding)).await {
            tracing::warn!(zone_server = %self.key, %error, "an event was not published");
        }
    }
}

impl Drop for Steward {
    fn drop(&mut self) {
        self.office.gallery.remove(&self.key);
    }
}

/// Why a pod is not made.
enum MakeError {
    /// A quota, a policy, or no port: what a user has to read.
    Refused(Problem),
    /// Everything else.
    Call(CallError),
}

impl From<CallError> for MakeError {
    fn from(error: CallError) -> Self {
        match error.code() {
            Some(403 | 422) => {
                Self::Refused(Problem { reason: "PodsRefused", message: format!("a pod is not made: {error}") })
            }
            _ => Self::Call(error),
        }
    }
}

/// Of the zones whose pods are made from something that is no longer wanted, lets one go at a time, once a new one is ready
/// to take its shard and nothing else moves. Old ones that stand by are used when there is no other.
fn renew_one(looks: &mut [Look], map: &Topology, pods: &[ZonePod], hash: &str) {
    let is_old = |zone: &ZoneEndpoint| pods.iter().any(|pod| pod.name == zone.zone.0 && pod.hash != hash);
    looks.sort_by_key(|look| is_old(&look.endpoint));
    let moves = !map.retiring().is_empty() || looks.iter().any(|look| look.draining && look.shard.is_some());
    let is_spare =
        |look: &Look| look.life == Life::Standby && !look.draining && !look.is_silent() && !is_old(&look.endpoint);
    if moves || !looks.iter().any(is_spare) {
        return;
    }
    let old = |look: &&mut Look| look.shard.is_some_and(|shard| map.shard(shard).is_some()) && is_old(&look.endpoint);
    if let Some(look) = looks.iter_mut().find(old) {
        look.draining = true;
    }
}

/// The shards of zones that say nothing and have lost their lease: the second signal of a death.
async fn lapsed(world: &World, looks: &[Look]) -> BTreeSet<ShardId> {
    let is_silent = |zone: &ZoneEndpoint| looks.iter().any(|look| look.endpoint == *zone && look.is_silent());
    let silent: Vec<_> = world
        .pilot
        .served()
        .filter(|(_, zone)| is_silent(zone))
        .map(|(shard, zone)| (shard, zone.zone.clone()))
        .collect();
    stream::iter(silent)
        .map(|(shard, zone)| async move { world.store.has_lost_lease(shard, &zone).await.then_some(shard) })
        .buffer_unordered(LEASES_AT_ONCE)
        .filter_map(|lapsed| async move { lapsed })
        .collect()
        .await
}

/// The map that the status has, if it is one.
fn map_of(owner: &ZoneServer) -> Option<Topology> {
    Topology::try_from(owner.status.as_ref()?.topology.as_ref()?)
        .inspect_err(|error| tracing::warn!(%error, "the status has no map that can be used"))
        .ok()
}

/// Why a pod does not run, of the first one by name.
fn trouble(pods: &[ZonePod]) -> Option<String> {
    let troubled = |pod: &ZonePod| {
        let (reason, message) = pod.trouble.as_ref().filter(|_| !pod.leaving)?;
        Some(format!("pod {} does not run: {reason}: {message}", pod.name))
    };
    pods.iter().find_map(troubled)
}

/// Which conditions hold, and why in a word.
fn holds(status: &ZoneServerStatus) -> Vec<(&str, &str, &str)> {
    status.conditions.iter().map(|it| (it.type_.as_str(), it.status.as_str(), it.reason.as_str())).collect()
}

/// Now, in milliseconds since 1970.
fn unix_ms() -> u64 {
    u64::try_from(Timestamp::now().as_millisecond()).unwrap_or_default()
}

fn shards(change: &Change) -> String {
    change.shards().iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

/// Five characters that make a pod's name its own, as Kubernetes' own controllers take them: no vowels, so no words.
fn suffix() -> String {
    const CHARACTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    const LENGTH: usize = 5;
    let mut random = rand::rng();
    (0..LENGTH).map(|_| char::from(CHARACTERS[random.random_range(0..CHARACTERS.len())])).collect()
}
