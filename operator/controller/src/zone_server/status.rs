//! What is said of a world: its status, from what was seen of it. Pure.

use std::time::Duration;

use darkages_crds::zone_server::{
    Hottest, MAX_OPERATIONS, Operation, OperationKind, OperationPhase, ShardMap, ZoneServerStatus, condition,
};
use darkages_crds::{ZoneServer, ZoneServerSpec};
use darkages_plan::{Change, Life, Look, Refusal, Refused, UnderWay, Why};
use darkages_topology::{ShardId, Topology};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::ResourceExt as _;

use super::names;

/// Bytes of a condition's message, at most. The API server takes 32 KiB; nobody reads more than this.
const MAX_MESSAGE_BYTES: usize = 1_024;

/// Bytes of an operation's message, at most, by the schema.
const MAX_WHY_BYTES: usize = 256;

/// Something that keeps a world from being served, in a word and in a sentence that names the field and the fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A word, as conditions and events have it.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}

/// A world as its steward sees it.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// What the user wants.
    pub wanted: &'a ZoneServer,
    /// The map; `None` before there is one.
    pub map: Option<&'a Topology>,
    /// What its zones say.
    pub looks: &'a [Look],
    /// What is due and cannot be done.
    pub refused: &'a [Refused],
    /// What is being done, and how long ago it was begun.
    pub under_way: Vec<(UnderWay<'a>, Duration)>,
    /// What keeps the world from being served.
    pub problem: Option<&'a Problem>,
    /// Why a pod does not run.
    pub trouble: Option<String>,
    /// Whether the operator reaches the store.
    pub reaches_store: bool,
    /// When this steward took over: what it found under way is not younger.
    pub steward_since: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// The status.
#[must_use]
pub fn status(seen: &Seen<'_>) -> ZoneServerStatus {
    let spec = &seen.wanted.spec;
    let shards = seen.map.map_or(0, |map| map.shards().len());
    let hottest = seen.hottest();
    let p99 = seen.serving().map(|look| look.tick_p99).max();
    ZoneServerStatus {
        observed_generation: seen.wanted.metadata.generation,
        replicas: count(shards),
        ready_replicas: count(seen.ready()),
        selector: Some(names::selector(&seen.wanted.name_any())),
        players: seen.players(),
        capacity: capacity(spec, shards),
        hottest,
        tick_p99: p99.map(in_tenths),
        topology: seen.map.map(ShardMap::from),
        operations: seen.operations(),
        conditions: seen.conditions(),
    }
}

/// Players that a world of so many shards takes in.
#[must_use]
pub fn capacity(spec: &ZoneServerSpec, shards: usize) -> u32 {
    let all = spec.zone_capacity().saturating_mul(count(shards));
    spec.max_players.map_or(all, |most| most.min(all))
}

impl<'a> Seen<'a> {
    /// The zones that serve a shard of the map and say so now.
    fn serving(&self) -> impl Iterator<Item = &'a Look> {
        let map = self.map;
        let on_map = move |look: &&Look| {
            let shard = look.shard.filter(|_| look.life == Life::Serving && !look.is_silent());
            map.zip(shard).is_some_and(|(map, shard)| map.endpoint(shard) == Some(&look.endpoint))
        };
        self.looks.iter().filter(on_map)
    }

    /// Zones that say now how many players they have. Those that retire have players as well.
    fn counted(&self) -> impl Iterator<Item = &'a Look> {
        self.looks.iter().filter(|look| look.shard.is_some() && look.life != Life::Over && !look.is_silent())
    }

    fn ready(&self) -> usize {
        let Some(map) = self.map else { return 0 };
        let serves = |shard: ShardId| self.serving().any(|look| look.shard == Some(shard));
        map.shards().iter().filter(|shard| serves(shard.id)).count()
    }

    /// Known only when every zone with players has said so of late.
    fn players(&self) -> Option<u32> {
        let map = self.map?;
        let served = map.shards().iter().map(|shard| shard.id).chain(map.retiring().iter().map(|retiring| retiring.id));
        let known = |shard: ShardId| self.counted().any(|look| look.shard == Some(shard));
        let all_known = served.into_iter().all(known);
        all_known.then(|| count(self.counted().map(|look| look.handles.len()).sum()))
    }

    fn hottest(&self) -> Option<Hottest> {
        let hottest = self.serving().max_by_key(|look| (look.handles.len(), std::cmp::Reverse(look.shard)))?;
        Some(Hottest { shard: hottest.shard?.0, players: count(hottest.handles.len()) })
    }

    fn operations(&self) -> Vec<Operation> {
        let Some(map) = self.map else { return Vec::new() };
        let behind = self.looks.iter().any(|look| look.shard.is_some() && look.revision < map.revision());
        let phase = if behind { OperationPhase::Committed } else { OperationPhase::HandingOver };
        let followed = self.under_way.iter().filter_map(|(UnderWay { operation, moved, left, .. }, ago)| {
            Some(Operation {
                kind: kind(&operation.change)?,
                phase,
                shards: operation.change.shards().iter().map(|shard| shard.0).collect(),
                started_at: Time(before(self.now, *ago)),
                moved: count(*moved),
                left: count(*left),
                message: Some(cut(operation.why.to_string(), MAX_WHY_BYTES)),
            })
        });
        let is_followed =
            |shard| self.under_way.iter().any(|(under_way, _)| under_way.operation.change.shards().contains(&shard));
        let found = map.retiring().iter().filter(|retiring| !is_followed(retiring.id)).map(|retiring| {
            let players =
                self.looks.iter().find(|look| look.shard == Some(retiring.id)).map_or(0, |look| look.handles.len());
            Operation {
                kind: OperationKind::Handover,
                phase,
                shards: vec![retiring.id.0],
                started_at: Time(self.steward_since),
                moved: count(players),
                left: count(players),
                message: None,
            }
        });
        followed.chain(found).take(MAX_OPERATIONS).collect()
    }

    fn conditions(&self) -> Vec<Condition> {
        let said = [
            (condition::READY, self.is_ready()),
            (condition::PROGRESSING, self.is_progressing()),
            (condition::BALANCED, self.is_balanced()),
            (condition::SPLIT_INFEASIBLE, self.is_split_infeasible()),
            (condition::SCALING_LIMITED, self.is_scaling_limited()),
            (condition::STORE_DEGRADED, self.is_store_degraded()),
        ];
        said.into_iter().map(|(type_, said)| self.condition(type_, said)).collect()
    }

    fn condition(&self, type_: &str, (holds, reason, message): Said) -> Condition {
        let status = if holds { "True" } else { "False" };
        let before = self.wanted.status.iter().flat_map(|status| &status.conditions);
        let before = before.into_iter().find(|before| before.type_ == type_ && before.status == status);
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: cut(message, MAX_MESSAGE_BYTES),
            observed_generation: self.wanted.metadata.generation,
            last_transition_time: before.map_or(Time(self.now), |before| before.last_transition_time.clone()),
        }
    }

    fn is_ready(&self) -> Said {
        if let Some(Problem { reason, message }) = self.problem {
            return (false, reason, message.clone());
        }
        let Some(map) = self.map else { return (false, "Starting", "there is no shard map yet".to_owned()) };
        let (ready, shards) = (self.ready(), map.shards().len());
        if ready == shards {
            return (true, "Serving", format!("{shards} of {shards} shards are served"));
        }
        let why = self.trouble.as_ref().map(|trouble| format!(": {trouble}")).unwrap_or_default();
        let reason = if map.shards().iter().all(|shard| shard.zone.is_none()) { "Starting" } else { "ShardsUnserved" };
        (false, reason, format!("{ready} of {shards} shards are served{why}"))
    }

    fn is_progressing(&self) -> Said {
        if self.wanted.spec.paused {
            return (false, "Paused", "spec.paused is true: the map and the pods stay as they are".to_owned());
        }
        let operations = self.operations();
        let Some(first) = operations.first() else {
            let unserved = self.map.is_none_or(|map| self.ready() < map.shards().len());
            return if unserved && self.problem.is_none() {
                (true, "ServingShards", "shards get zones".to_owned())
            } else {
                (false, "Settled", "everybody is where the map says".to_owned())
            };
        };
        let left: u32 = operations.iter().map(|operation| operation.left).sum();
        let kinds =
            if operations.len() == 1 { format!("{:?}", first.kind) } else { format!("{} changes", operations.len()) };
        (true, "HandingOver", format!("{kinds} under way, {left} players are not over yet"))
    }

    fn is_balanced(&self) -> Said {
        let due = self.refused.iter().find(|refused| is_about_load(refused.due));
        match due {
            Some(Refused { shard, due, because }) => (false, "ChangeDue", format!("shard {shard}: {due}; {because}")),
            None => (true, "Balanced", "no cut, merge or moved border is due".to_owned()),
        }
    }

    fn is_split_infeasible(&self) -> Said {
        let infeasible = self.refused.iter().find(|refused| matches!(refused.because, Refusal::SplitInfeasible { .. }));
        match infeasible {
            Some(Refused { shard, due, because }) => {
                (true, "NoCutRelieves", format!("shard {shard}: {due}; {because}"))
            }
            None => (false, "CutsRelieve", "no crowd is beyond what a cut relieves".to_owned()),
        }
    }

    fn is_scaling_limited(&self) -> Said {
        let (wanted, shards) = (self.wanted.spec.replicas, self.map.map_or(0, |map| map.shards().len()));
        if let Some(trouble) = &self.trouble {
            return (true, "PodsDoNotRun", trouble.clone());
        }
        if wanted as usize <= shards {
            return (false, "NotLimited", format!("there are {shards} shards, spec.replicas asks for {wanted}"));
        }
        let why = self.refused.iter().find(|refused| matches!(refused.due, Why::ShardsWanted { .. }));
        let why = why.map(|refused| format!("; {}", refused.because)).unwrap_or_default();
        (true, "FewerThanAsked", format!("there are {shards} shards, spec.replicas asks for {wanted}{why}"))
    }

    fn is_store_degraded(&self) -> Said {
        let mut away: Vec<&str> = self.looks.iter().flat_map(|look| &look.store_away).map(String::as_str).collect();
        away.sort_unstable();
        away.dedup();
        match (away.as_slice(), self.reaches_store) {
            ([], true) => (false, "Reached", "the store answers".to_owned()),
            ([], false) => (true, "NotReached", "the store does not answer the operator".to_owned()),
            (away, _) => (
                true,
                "NotReached",
                format!("{} does not answer the zones: they play on, and may refuse trades", away.join(", ")),
            ),
        }
    }
}

/// Whether a condition holds, why in a word, and why in a sentence.
type Said = (bool, &'static str, String);

const fn is_about_load(due: Why) -> bool {
    matches!(
        due,
        Why::TooManyPlayers { .. }
            | Why::TickOverBudget { .. }
            | Why::ShardsWanted { .. }
            | Why::Cold { .. }
            | Why::Uneven { .. }
    )
}

const fn kind(change: &Change) -> Option<OperationKind> {
    match change {
        Change::Split { .. } => Some(OperationKind::Split),
        Change::Merge { .. } => Some(OperationKind::Merge),
        Change::Slide { .. } => Some(OperationKind::Slide),
        Change::Move { .. } => Some(OperationKind::Move),
        Change::Assign { .. } => Some(OperationKind::Assign),
        // The end of a merge or a move.
        Change::Forget { .. } => None,
    }
}

fn before(now: Timestamp, ago: Duration) -> Timestamp {
    SignedDuration::try_from(ago).ok().and_then(|ago| now.checked_sub(ago).ok()).unwrap_or(now)
}

/// A time as people read it, in tenths of a millisecond.
fn in_tenths(time: Duration) -> kube::core::Duration {
    const TENTH: Duration = Duration::from_micros(100);
    let tenths = time.as_micros().div_ceil(TENTH.as_micros());
    (TENTH * u32::try_from(tenths).unwrap_or(u32::MAX)).into()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A text with so many bytes at most.
fn cut(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes.saturating_sub('…'.len_utf8())));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use darkages_topology::{Position, Rect, ZoneEndpoint, ZoneId};
    use serde_json::{Value, json};

    use super::*;

    fn wanted(fields: &Value) -> ZoneServer {
        let mut spec = json!({"world": "w", "bounds": {"minX": 0, "minY": 0, "maxX": 100, "maxY": 100}});
        spec.as_object_mut().expect("a map").extend(fields.as_object().expect("a map").clone());
        ZoneServer::new("meadow", serde_json::from_value(spec).expect("it is one"))
    }

    fn zone(name: &str) -> ZoneEndpoint {
        ZoneEndpoint { zone: ZoneId(name.into()), address: ([10, 0, 0, 1], 7777).into(), public_key: [1; 32] }
    }

    fn map() -> Topology {
        let bounds = Rect::from_metres(0.0, 0.0, 100.0, 100.0).expect("bounds");
        let map = Topology::grid(bounds, 2).expect("a map");
        map.assign(ShardId(1), zone("a")).and_then(|map| map.assign(ShardId(2), zone("b"))).expect("assigned")
    }

    fn serves(name: &str, shard: u32, players: u32) -> Look {
        Look {
            shard: Some(ShardId(shard)),
            life: Life::Serving,
            handles: (0..players).collect(),
            positions: vec![Position { x: 0, y: 0 }; players as usize],
            tick_p99: Duration::from_micros(4_030),
            ..Look::standby(zone(name))
        }
    }

    fn told(
        wanted: &ZoneServer,
        map: Option<&Topology>,
        looks: &[Look],
        problem: Option<&Problem>,
    ) -> ZoneServerStatus {
        status(&Seen {
            wanted,
            map,
            looks,
            refused: &[],
            under_way: Vec::new(),
            problem,
            trouble: None,
            reaches_store: true,
            steward_since: Timestamp::UNIX_EPOCH,
            now: Timestamp::UNIX_EPOCH,
        })
    }

    fn condition<'a>(status: &'a ZoneServerStatus, type_: &str) -> (&'a str, &'a str, &'a str) {
        let found = status.conditions.iter().find(|condition| condition.type_ == type_).expect("all are told");
        (&found.status, &found.reason, &found.message)
    }

    #[test]
    fn a_world_is_ready_when_every_shard_is_served() {
        let (wanted, map) = (wanted(&json!({"replicas": 2})), map());
        let all = told(&wanted, Some(&map), &[serves("a", 1, 30), serves("b", 2, 50)], None);
        assert_eq!((all.replicas, all.ready_replicas, all.players, all.capacity), (2, 2, Some(80), 2_000));
        assert_eq!(all.hottest, Some(Hottest { shard: 2, players: 50 }));
        assert_eq!(all.tick_p99.expect("it is known").to_string(), "4.1ms");
        assert_eq!(condition(&all, condition::READY), ("True", "Serving", "2 of 2 shards are served"));
        assert_eq!(condition(&all, condition::PROGRESSING).0, "False");
        assert_eq!(condition(&all, condition::SCALING_LIMITED).0, "False");
    }

    #[test]
    fn players_are_not_known_while_a_zone_is_silent() {
        let (wanted, map) = (wanted(&json!({})), map());
        let silent = Look { silent_for: Duration::from_secs(60), ..serves("b", 2, 50) };
        let half = told(&wanted, Some(&map), &[serves("a", 1, 30), silent], None);
        assert_eq!((half.ready_replicas, half.players), (1, None), "which is something other than 30");
        assert_eq!(condition(&half, condition::READY), ("False", "ShardsUnserved", "1 of 2 shards are served"));
        let nothing = told(&wanted, None, &[], None);
        assert_eq!((nothing.replicas, nothing.players, nothing.topology), (0, None, None));
    }

    #[test]
    fn another_process_under_the_name_of_a_zone_does_not_serve_its_shard() {
        let (wanted, map) = (wanted(&json!({})), map());
        let mut other = serves("b", 2, 50);
        other.endpoint.public_key = [9; 32];
        assert_eq!(told(&wanted, Some(&map), &[serves("a", 1, 30), other], None).ready_replicas, 1);
    }

    #[test]
    fn what_keeps_a_world_from_being_served_is_told_in_its_words() {
        let problem = Problem { reason: "StoreSecretMissing", message: "spec.storage: there is none".into() };
        let status = told(&wanted(&json!({})), None, &[], Some(&problem));
        assert_eq!(
            condition(&status, condition::READY),
            ("False", "StoreSecretMissing", "spec.storage: there is none")
        );
    }

    #[test]
    fn a_condition_keeps_the_moment_since_which_it_holds() {
        let map = map();
        let mut wanted = wanted(&json!({}));
        let looks = [serves("a", 1, 0), serves("b", 2, 0)];
        let first = told(&wanted, Some(&map), &looks, None);
        wanted.status = Some(first.clone());
        let later = |looks: &[Look]| {
            let seen = Seen {
                wanted: &wanted,
                map: Some(&map),
                looks,
                refused: &[],
                under_way: Vec::new(),
                problem: None,
                trouble: None,
                reaches_store: true,
                steward_since: Timestamp::UNIX_EPOCH,
                now: Timestamp::from_second(60).expect("a moment"),
            };
            status(&seen).conditions.swap_remove(0).last_transition_time
        };
        assert_eq!(later(&looks), first.conditions[0].last_transition_time);
        assert_ne!(later(&looks[..1]), first.conditions[0].last_transition_time);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        assert_eq!(cut("short".into(), 8), "short");
        assert_eq!(cut("ääääää".into(), 8), "ää…");
    }
}
