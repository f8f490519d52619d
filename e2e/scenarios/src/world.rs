//! A world of its own: a namespace with a store, a `ZoneServer` called `meadow`, a directory, and bots.

use std::process::id;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use darkages_client::swarm::{Ended, Swarm, SwarmConfig, SwarmHandle, Workload};
use serde_json::{Value, json};

use crate::kubectl::{Kubectl, until};
use crate::operator;

/// The `ZoneServer` of each world.
pub const NAME: &str = "meadow";

/// How long pods of a test may take to start on a machine that has other things to do.
const STARTS_WITHIN: Duration = Duration::from_secs(90);

/// How long a world may take until every shard is served, and bots until all of them are inside.
const READY_WITHIN: Duration = Duration::from_secs(60);
const INSIDE_WITHIN: Duration = Duration::from_secs(30);

/// How long bots may take to leave.
const LEFT_WITHIN: Duration = Duration::from_secs(60);

const REDIS: &str = include_str!("../manifests/redis.yaml");
const DIRECTORY: &str = include_str!("../manifests/directory.yaml");

/// A world. When a test fails, what Kubernetes and the pods had to say is printed; then its namespace goes.
#[derive(Debug)]
pub struct World {
    /// `kubectl` in its namespace.
    pub kubectl: Kubectl,
}

impl World {
    /// A namespace with a store, on a cluster with an operator.
    ///
    /// # Panics
    /// When something does not come up.
    #[must_use]
    pub fn prepare(name: &str) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        operator::install();
        let namespace = format!("{name}-{}-{}", id(), MADE.fetch_add(1, Ordering::Relaxed));
        let world = Self { kubectl: Kubectl::given(&namespace) };
        world.kubectl.run(&["create", "namespace", &namespace]);
        let enforce = "pod-security.kubernetes.io/enforce=restricted";
        world.kubectl.run(&["label", "namespace", &namespace, enforce]);
        world.kubectl.apply(REDIS);
        let (address, _) = until("the store runs", STARTS_WITHIN, || world.address_of("redis"));
        let url = format!("--from-literal=url=redis://{address}:6379");
        world.kubectl.run(&["create", "secret", "generic", "darkages-store", &url]);
        world
    }

    /// Applies the `ZoneServer` with this in its spec, beside what is needed.
    ///
    /// # Panics
    /// When the API server refuses it.
    pub fn apply(&self, spec: &Value) {
        let mut all = json!({"world": "meadow", "bounds": {"minX": 0, "minY": 0, "maxX": 400, "maxY": 400}});
        let (Some(all_fields), Some(fields)) = (all.as_object_mut(), spec.as_object()) else {
            panic!("a spec is a map")
        };
        all_fields.extend(fields.clone());
        let object = json!({
            "apiVersion": "darkages.io/v1alpha1",
            "kind": "ZoneServer",
            "metadata": {"name": NAME},
            "spec": all,
        });
        self.kubectl.apply(&object.to_string());
    }

    /// Applies the `ZoneServer` with this in its spec, and lets bots play there once it is ready. Returns when all are inside.
    ///
    /// # Panics
    /// When something does not come up.
    #[must_use]
    pub fn played(&self, spec: &Value, workload: Workload, players: u32, seconds: u32, crashes: bool) -> Bots {
        self.apply(spec);
        self.until_ready(READY_WITHIN);
        self.swarm(workload, players, seconds, crashes)
    }

    /// Lets bots play there. Returns when all are inside.
    ///
    /// # Panics
    /// When they do not get in.
    #[must_use]
    pub fn swarm(&self, workload: Workload, players: u32, seconds: u32, crashes: bool) -> Bots {
        let bots = Bots::play(&self.directory(), workload, players, seconds, crashes);
        bots.until_inside(INSIDE_WITHIN);
        bots
    }

    /// The `ZoneServer`.
    #[must_use]
    pub fn zone_server(&self) -> Option<Value> {
        self.kubectl.get(&[&format!("zoneserver/{NAME}")])
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> Value {
        self.zone_server().map(|mut found| found["status"].take()).unwrap_or_default()
    }

    /// Whether a condition holds, and why or why not in a word and a sentence.
    #[must_use]
    pub fn condition(&self, type_: &str) -> Option<(bool, String, String)> {
        let status = self.status();
        let found = status["conditions"].as_array()?.iter().find(|condition| condition["type"] == type_)?.clone();
        let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
        Some((found["status"] == "True", text("reason"), text("message")))
    }

    /// Waits until every shard is served, and says how long that took.
    pub fn until_ready(&self, within: Duration) -> Duration {
        let ready = || self.condition("Ready").filter(|(holds, ..)| *holds);
        until("the world is ready", within, ready).1
    }

    /// Waits until there are so many shards and nothing is under way.
    pub fn until_settled(&self, shards: u64, within: Duration) -> Duration {
        let settled = || {
            let status = self.status();
            let there = status["replicas"] == shards && status["readyReplicas"] == shards;
            let quiet = status["operations"].is_null() && status["topology"]["retiring"].is_null();
            (there && quiet).then_some(())
        };
        until(&format!("{shards} shards are served and nothing is under way"), within, settled).1
    }

    /// Starts a directory and says where it answers.
    pub fn directory(&self) -> String {
        self.kubectl.apply(&DIRECTORY.replace("$OPERATOR", &operator::url()));
        let (address, _) = until("the directory runs", STARTS_WITHIN, || self.address_of("directory"));
        format!("http://{address}:8080")
    }

    /// Names of the pods that serve a shard, by the map.
    #[must_use]
    pub fn serving(&self) -> Vec<String> {
        let status = self.status();
        let shards = status["topology"]["shards"].as_array().cloned().unwrap_or_default();
        shards.iter().filter_map(|shard| shard["zone"]["pod"].as_str().map(ToOwned::to_owned)).collect()
    }

    /// The node that a pod is on.
    #[must_use]
    pub fn node_of(&self, pod: &str) -> Option<String> {
        let pod = self.kubectl.get(&[&format!("pod/{pod}")])?;
        pod["spec"]["nodeName"].as_str().map(ToOwned::to_owned)
    }

    /// Address of a pod that is ready.
    #[must_use]
    pub fn address_of(&self, pod: &str) -> Option<String> {
        let pod = self.kubectl.get(&[&format!("pod/{pod}")])?;
        let conditions = pod["status"]["conditions"].as_array()?;
        let ready = conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
        pod["status"]["podIP"].as_str().filter(|_| ready).map(ToOwned::to_owned)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if thread::panicking() {
            let say = |arguments: &[&str]| {
                let said = self.kubectl.try_run(arguments, "").unwrap_or_else(|error| error);
                eprintln!("--- kubectl {}\n{said}", arguments.join(" "));
            };
            say(&["get", "zoneservers,pods", "--output", "wide"]);
            say(&["get", "zoneservers", "--output", "yaml"]);
            say(&["get", "events", "--sort-by", ".metadata.creationTimestamp"]);
            say(&["logs", "--selector", "app.kubernetes.io/name=zone-server", "--tail", "60", "--prefix"]);
            say(&[
                "logs",
                "--namespace",
                operator::NAMESPACE,
                "--selector",
                "app.kubernetes.io/name=zone-operator",
                "--tail",
                "60",
                "--prefix",
            ]);
        }
        // The ZoneServer first, while there is somebody to let it go.
        let _ = self.kubectl.try_run(&["delete", "zoneservers", "--all", "--timeout=90s"], "");
        let _ = self.kubectl.try_run(&["delete", "namespace", self.kubectl.namespace(), "--wait=false"], "");
    }
}

/// Bots of a world.
#[derive(Debug)]
pub struct Bots {
    swarm: SwarmHandle,
    players: u32,
}

impl Bots {
    /// Lets them play. `crashes` says that zones will be killed.
    ///
    /// # Panics
    /// When they cannot.
    #[must_use]
    pub fn play(directory_url: &str, workload: Workload, players: u32, seconds: u32, crashes: bool) -> Self {
        let config = SwarmConfig {
            directory_url: directory_url.to_owned(),
            workload,
            players,
            seconds,
            seed: 1,
            fault: None,
            crashes,
        };
        Self { swarm: Swarm::start(config).expect("the bots start"), players }
    }

    /// Waits until all of them are in the world.
    pub fn until_inside(&self, within: Duration) -> Duration {
        let inside = || (self.swarm.progress().inside == self.players).then_some(());
        until("all bots are in the world", within, inside).1
    }

    /// Waits until bots have seen so many handoffs.
    pub fn until_crossed(&self, times: u64, within: Duration) -> Duration {
        let crossed = || (self.handoffs_seen() >= times).then_some(());
        until("the border was crossed often enough", within, crossed).1
    }

    /// Changes of zone that bots have seen.
    #[must_use]
    pub fn handoffs_seen(&self) -> u64 {
        self.swarm.progress().handoffs_seen
    }

    /// How many are in the world.
    #[must_use]
    pub fn inside(&self) -> u32 {
        self.swarm.progress().inside
    }

    /// Lets them leave, and gives their report.
    ///
    /// # Panics
    /// When they do not come to an end.
    #[must_use]
    pub fn leave(self) -> Ended {
        self.swarm.stop();
        self.end(LEFT_WITHIN)
    }

    /// Waits until they have left by themselves, and gives their report.
    ///
    /// # Panics
    /// When they do not come to an end.
    #[must_use]
    pub fn end(self, within: Duration) -> Ended {
        until("the bots have left", within, || self.swarm.is_over().then_some(()));
        self.swarm.join().expect("a report")
    }
}
