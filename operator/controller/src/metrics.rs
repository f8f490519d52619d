//! What Prometheus scrapes from an operator.
//!
//! Names begin with `darkages_`, units are base units, counters exist from the start. Worlds are told by the acting operator
//! alone, so that sums over operators are right; their number is bounded, and with it that of series.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use darkages_crds::ZoneServer;
use darkages_plan::Change;
use kube::ResourceExt as _;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric as _, LabelValueEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::fleet::Fleet;
use crate::leader::Mandate;

/// Upper bounds of the time of a look, in seconds. A look is due every 0.1 s.
const LOOK_BUCKETS: [f64; 8] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 5.0];

/// Upper bounds of the time until everybody is where a change of the map has them, in seconds.
const CHANGE_BUCKETS: [f64; 8] = [0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0];

/// Changes of a map, by what the planner calls them; [`Change::Forget`] is the end of another one.
const CHANGES: [&str; 5] = ["split", "merge", "slide", "move", "assign"];

/// A label whose value is known when the program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Label(&'static str);

impl EncodeLabelValue for Label {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.write_str(self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: Label,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: Label,
}

/// All metrics of one operator.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    looks: Family<ResultLabel, Counter>,
    look: Histogram,
    changes: Family<KindLabel, Counter>,
    change: Family<KindLabel, Histogram>,
    leads: Gauge,
    mandate: Mandate,
}

impl Metrics {
    /// Metrics that start at zero.
    #[must_use]
    pub fn new(fleet: Arc<Fleet>, mandate: Mandate) -> Self {
        let mut registry = Registry::with_prefix("darkages");
        let looks = Family::<ResultLabel, Counter>::default();
        registry.register("operator_looks", "Looks at worlds, by result", looks.clone());
        let look = Histogram::new(LOOK_BUCKETS);
        let help = "Time of one look at a world: observe, plan, apply, tell";
        registry.register_with_unit("operator_look_duration", help, Unit::Seconds, look.clone());
        let changes = Family::<KindLabel, Counter>::default();
        registry.register("operator_changes", "Changes of maps that were begun, by kind", changes.clone());
        let change = Family::<KindLabel, Histogram>::new_with_constructor(|| Histogram::new(CHANGE_BUCKETS));
        let help = "Time from a change of a map until everybody was where it has them, by kind";
        registry.register_with_unit("operator_change_duration", help, Unit::Seconds, change.clone());
        let leads = Gauge::default();
        registry.register("operator_leads", "Whether this operator is the one that acts", leads.clone());
        registry.register_collector(Box::new(Worlds { fleet, mandate: mandate.clone() }));
        for result in ["done", "failed"] {
            let _ = looks.get_or_create(&ResultLabel { result: Label(result) });
        }
        for kind in CHANGES {
            let _ = changes.get_or_create(&KindLabel { kind: Label(kind) });
            let _ = change.get_or_create(&KindLabel { kind: Label(kind) });
        }
        Self { registry: Arc::new(registry), looks, look, changes, change, leads, mandate }
    }

    /// One look at a world is over.
    pub fn looked(&self, done: bool, took: Duration) {
        let result = Label(if done { "done" } else { "failed" });
        self.looks.get_or_create(&ResultLabel { result }).inc();
        self.look.observe(took.as_secs_f64());
    }

    /// A change of a map was written.
    pub fn begun(&self, change: &Change) {
        if let Some(kind) = kind(change) {
            self.changes.get_or_create(&kind).inc();
        }
    }

    /// Everybody is where a change has them.
    pub fn settled(&self, change: &Change, took: Duration) {
        if let Some(kind) = kind(change) {
            self.change.get_or_create(&kind).observe(took.as_secs_f64());
        }
    }

    /// What Prometheus reads.
    #[must_use]
    pub fn text(&self) -> String {
        self.leads.set(self.mandate.holds().into());
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes everything");
        text
    }
}

fn kind(change: &Change) -> Option<KindLabel> {
    let label = change.label();
    CHANGES.iter().find(|kind| **kind == label).map(|kind| KindLabel { kind: Label(kind) })
}

/// What the statuses of worlds say.
#[derive(Debug)]
struct Worlds {
    fleet: Arc<Fleet>,
    mandate: Mandate,
}

impl Collector for Worlds {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let worlds = if self.mandate.holds() { self.fleet.zone_servers() } else { Vec::new() };
        // What is not known is left out, so that it is not taken for 0.
        let mut tell = |name: &str, help: &str, value: fn(&ZoneServer) -> Option<u32>| {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for world in &worlds {
                let Some(value) = value(world) else { continue };
                let labels = [("namespace", world.namespace().unwrap_or_default()), ("zone_server", world.name_any())];
                ConstGauge::new(i64::from(value)).encode(family.encode_family(&labels)?)?;
            }
            Ok(())
        };
        tell("world_players", "Players of a world", |world| world.status.as_ref()?.players)?;
        tell("world_capacity_players", "Players that a world takes in", |world| Some(world.status.as_ref()?.capacity))?;
        tell("world_shards", "Shards of a world's map", |world| Some(world.status.as_ref()?.replicas))?;
        tell("world_shards_ready", "Shards of a world whose zone takes players in", |world| {
            Some(world.status.as_ref()?.ready_replicas)
        })
    }
}
