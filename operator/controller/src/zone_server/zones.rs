//! The ways to the zones of one `ZoneServer`: opened as their pods come up, closed as they go, and what is heard over them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use darkages_plan::{Life, Look, Order, behind};
use darkages_topology::{ShardId, Topology, ZoneEndpoint};
use futures_util::FutureExt as _;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tonic::transport::{ClientTlsConfig, Endpoint};

use super::pod::{CONTROL_PORT, ZonePod};
use crate::{Link, LinkError, Reach};

/// A zone that did not answer is dialled again after so long.
const DIAL_AGAIN_AFTER: Duration = Duration::from_millis(250);

/// The same when it has not answered for long: each time twice as long, up to this.
const DIAL_AGAIN_AT_LEAST_EVERY: Duration = Duration::from_secs(4);

/// A zone that has been silent for so long is no help any more, whatever its pod says.
const LOST_AFTER: Duration = Duration::from_secs(3);

/// How long a zone is taken to have been silent that has not been heard at all: by it alone it is never dead.
const NEVER_HEARD: Duration = Duration::from_secs(3_600);

/// The ways to the zones.
#[derive(Debug, Default)]
pub struct Zones {
    ways: BTreeMap<String, Way>,
}

/// The way to one pod.
#[derive(Debug)]
struct Way {
    /// Which container of the pod; another one is another process.
    container: String,
    state: State,
}

#[derive(Debug)]
enum State {
    Dialling(JoinHandle<Result<Link, LinkError>>, Duration),
    Waiting(Instant, Duration),
    Open(Box<Link>),
}

/// What the operator hears of its zones.
#[derive(Debug, Default)]
pub struct Heard {
    /// What they say, and of those that are not heard what the map says.
    pub looks: Vec<Look>,
    /// Names of pods that run and do not answer.
    pub lost: BTreeSet<String>,
}

impl Zones {
    /// Opens ways to pods that have come up and closes those to pods that are gone.
    pub fn follow(&mut self, pods: &[ZonePod], tls: &ClientTlsConfig, reach: &Arc<Reach>) {
        self.ways.retain(|name, way| {
            let runs = |pod: &ZonePod| pod.running.as_ref().is_some_and(|(_, container)| *container == way.container);
            pods.iter().any(|pod| pod.name == *name && runs(pod))
        });
        let now = Instant::now();
        for pod in pods {
            let Some((address, container)) = &pod.running else { continue };
            let dial = |wait| State::Dialling(tokio::spawn(dial(*address, tls.clone(), Arc::clone(reach))), wait);
            let way = self
                .ways
                .entry(pod.name.clone())
                .or_insert_with(|| Way { container: container.clone(), state: dial(DIAL_AGAIN_AFTER) });
            match &mut way.state {
                State::Dialling(task, wait) => match task.now_or_never() {
                    Some(Ok(Ok(link))) => way.state = State::Open(Box::new(link)),
                    Some(answer) => {
                        let error = answer.map(|answer| answer.err().map(|error| error.to_string()));
                        tracing::debug!(pod = pod.name, ?error, "the zone does not answer");
                        way.state = State::Waiting(now + *wait, (*wait * 2).min(DIAL_AGAIN_AT_LEAST_EVERY));
                    }
                    None => {}
                },
                State::Waiting(until, wait) if *until <= now => way.state = dial(*wait),
                State::Waiting(..) | State::Open(_) => {}
            }
        }
    }

    /// What is heard of them. `leaves` says whether a pod has to go.
    pub fn heard(&self, pods: &[ZonePod], map: &Topology, leaves: impl Fn(&ZonePod) -> bool) -> Heard {
        let mut heard = Heard::default();
        for pod in pods {
            let Some(link) = self.link_of(&pod.name) else { continue };
            let look = link.look();
            if look.silent_for >= LOST_AFTER {
                heard.lost.insert(pod.name.clone());
            }
            heard.looks.push(Look { draining: look.draining || leaves(pod), ..look });
        }
        let served = map.shards().iter().filter_map(|shard| Some((shard.id, shard.zone.as_ref()?)));
        let retiring = map.retiring().iter().map(|retiring| (retiring.id, &retiring.zone));
        for (shard, zone) in served.chain(retiring) {
            let Some(pod) = pods.iter().find(|pod| pod.name == zone.zone.0) else { continue };
            // One that answers under another key is another process, and one whose container does not run has ended.
            if pod.running.is_some() && self.link_of(&pod.name).is_none() {
                heard.lost.insert(pod.name.clone());
                heard.looks.push(Look { draining: leaves(pod), ..unheard(shard, zone.clone()) });
            }
        }
        heard
    }

    /// Tells zones what the map wants of them and they do not know yet. What is lost on the way is told again after the next
    /// look.
    pub fn obey(&self, map: &Topology, looks: &[Look]) {
        for order in behind(map, looks) {
            let (look, shard) = match order {
                Order::Assign(look, shard) => (look, Some(shard)),
                Order::Push(look) => (look, None),
            };
            let Some(link) = self.link(&look.endpoint) else { continue };
            match shard {
                Some(shard) => link.assign(shard, map),
                None => link.push_topology(map),
            }
        }
    }

    /// Tells all zones to save everybody and end.
    pub fn stop(&self) {
        self.open().for_each(Link::stop);
    }

    fn open(&self) -> impl Iterator<Item = &Link> {
        self.ways.values().filter_map(|way| match &way.state {
            State::Open(link) => Some(&**link),
            State::Dialling(..) | State::Waiting(..) => None,
        })
    }

    fn link(&self, endpoint: &ZoneEndpoint) -> Option<&Link> {
        self.open().find(|link| link.endpoint() == endpoint)
    }

    fn link_of(&self, pod: &str) -> Option<&Link> {
        match &self.ways.get(pod)?.state {
            State::Open(link) => Some(link),
            State::Dialling(..) | State::Waiting(..) => None,
        }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        if let State::Dialling(dial, _) = &self.state {
            dial.abort();
        }
    }
}

/// A zone of the map whose pod runs and who is not heard: it is dead only if something else says so.
fn unheard(shard: ShardId, zone: ZoneEndpoint) -> Look {
    Look { shard: Some(shard), life: Life::Serving, silent_for: NEVER_HEARD, ..Look::standby(zone) }
}

async fn dial(address: IpAddr, tls: ClientTlsConfig, reach: Arc<Reach>) -> Result<Link, LinkError> {
    let address = SocketAddr::new(address, CONTROL_PORT);
    let endpoint = Endpoint::from_shared(format!("https://{address}"))?.tls_config(tls)?;
    Link::open(endpoint, reach).await
}
