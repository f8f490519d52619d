//! The operator as a whole: stands for leadership, and while it leads has a steward for each `ZoneServer`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use darkages_crds::ZoneServer;
use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::ObjectRef;
use tokio::task::JoinHandle;

use crate::fleet::Fleet;
use crate::gallery::Gallery;
use crate::leader::Leadership;
use crate::metrics::Metrics;
use crate::zone_server::names::FIELD_MANAGER;
use crate::zone_server::office::Office;
use crate::zone_server::steward::Steward;

/// Name of the lease that the acting operator holds.
pub const LEASE: &str = "darkages-operator";

/// Time between two looks at which `ZoneServer`s there are.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// `ZoneServer`s that one operator looks after, at most: beyond it new ones wait, and say so by having no status.
const MAX_ZONE_SERVERS: usize = 4_096;

/// What an operator is told.
#[derive(Clone, Debug)]
pub struct OperatorConfig {
    /// Its own name, as events have it.
    pub identity: String,
    /// The image of zones whose template names none.
    pub zone_image: String,
    /// What is counted.
    pub metrics: Metrics,
    /// Where pictures of worlds hang.
    pub gallery: Gallery,
}

/// Why an operator ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It led and leads no more: the process is to end, so that the next one starts from nothing.
    LeadsNoMore,
    /// It was told to.
    Stopped,
}

/// Runs until it is told to stop or leads no more. Nothing of it acts after that.
pub async fn run(
    client: Client,
    config: OperatorConfig,
    fleet: Arc<Fleet>,
    leadership: &mut Leadership,
    stop: impl Future<Output = ()>,
) -> Ended {
    let mut stewards = Stewards::new();
    let ended = tokio::select! {
        () = act(client, config, fleet, leadership, &mut stewards) => Ended::LeadsNoMore,
        () = stop => Ended::Stopped,
    };
    for (_, mut steward) in stewards {
        steward.0.abort();
        let _ = (&mut steward.0).await;
    }
    ended
}

/// Until it leads no more.
async fn act(
    client: Client,
    config: OperatorConfig,
    fleet: Arc<Fleet>,
    leadership: &mut Leadership,
    stewards: &mut Stewards,
) {
    let OperatorConfig { identity, zone_image, metrics, gallery } = config;
    fleet.is_known().await;
    tracing::info!(identity, "stands by");
    leadership.won().await;
    tracing::info!(identity, "leads");
    let reporter = Reporter { controller: FIELD_MANAGER.to_owned(), instance: Some(identity) };
    let office = Arc::new(Office {
        recorder: Recorder::new(client.clone(), reporter),
        client,
        fleet,
        mandate: leadership.mandate(),
        image: zone_image,
        metrics,
        gallery,
    });
    tokio::select! {
        () = leadership.lost() => tracing::warn!("leads no more"),
        () = employ(&office, stewards) => {}
    }
}

/// The stewards at work.
type Stewards = HashMap<ObjectRef<ZoneServer>, Employed>;

/// A steward for each `ZoneServer`. A steward ends with its `ZoneServer`.
async fn employ(office: &Arc<Office>, stewards: &mut Stewards) {
    let mut clock = tokio::time::interval(LOOK_EVERY);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        // One that has panicked, or whose ZoneServer was made anew, is employed again.
        stewards.retain(|_, steward| !steward.0.is_finished());
        for zone_server in office.fleet.zone_servers() {
            let key = ObjectRef::from_obj(&*zone_server);
            if stewards.contains_key(&key) || stewards.len() >= MAX_ZONE_SERVERS {
                continue;
            }
            let steward = Steward::new(Arc::clone(office), key.clone());
            stewards.insert(key, Employed(tokio::spawn(steward.run())));
        }
    }
}

/// A steward at work; ends when it is dropped.
struct Employed(JoinHandle<()>);

impl Drop for Employed {
    fn drop(&mut self) {
        self.0.abort();
    }
}
