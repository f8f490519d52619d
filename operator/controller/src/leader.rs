//! Which of several operators acts: the one that holds a Lease, as Kubernetes' own controllers have it.
//!
//! Times of others are never compared with ours: a lease is over when nobody has renewed it for its duration by our own clock
//! (as in client-go's leaderelection). Whoever holds it counts from before it asked, so it gives up before another takes over;
//! and what is written is fenced all the same, by the revision of the map.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Client;
use kube::api::{Api, PostParams};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::deadline::{Call, CallError, within};

/// How long a lease lasts that is not renewed.
const LASTS: Duration = Duration::from_secs(6);

/// How often it is renewed, and how often others look whether it was.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long whoever holds it acts without having renewed it: ends before another may take over, with a margin for clocks of
/// different speed and for what is under way.
const ACTS_FOR: Duration = Duration::from_secs(4);

/// Where whoever holds the lease answers, in its annotations.
const ADDRESS: &str = "darkages.io/address";

/// Whether this operator is the one that acts.
#[derive(Debug)]
pub struct Leadership {
    acts_until: watch::Receiver<Option<Instant>>,
    renewed: watch::Receiver<Option<Renewed>>,
    resign: Option<oneshot::Sender<()>>,
    campaign: JoinHandle<()>,
}

/// A question that is cheap to ask: whether this operator still acts.
#[derive(Clone, Debug)]
pub struct Mandate(watch::Receiver<Option<Instant>>);

impl Mandate {
    /// Whether it does at this moment.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.0.borrow().is_some_and(|until| Instant::now() < until)
    }
}

/// Who stands for which lease.
#[derive(Clone, Debug)]
pub struct Stand {
    /// The lease's namespace.
    pub namespace: String,
    /// Its name.
    pub lease: &'static str,
    /// Our own, unique among those who stand.
    pub identity: String,
    /// Where we answer, for those who do not act.
    pub address: Option<SocketAddr>,
}

/// Another question that is cheap to ask: whether anybody acts, this operator or another, and where.
#[derive(Clone, Debug)]
pub struct Witness(watch::Receiver<Option<Renewed>>);

/// The lease was renewed.
#[derive(Clone, Debug)]
struct Renewed {
    at: Instant,
    address: Option<SocketAddr>,
}

impl Witness {
    /// Whether the lease was renewed of late. Unknown at first, which is no.
    #[must_use]
    pub fn anybody_acts(&self) -> bool {
        self.0.borrow().as_ref().is_some_and(Renewed::is_new)
    }

    /// Where the operator answers that acts, if it says so.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.borrow().as_ref().filter(|renewed| renewed.is_new())?.address
    }
}

impl Renewed {
    fn is_new(&self) -> bool {
        self.at.elapsed() < LASTS + LOOK_EVERY
    }
}

impl Leadership {
    /// Stands for it until it is dropped.
    #[must_use]
    pub fn stand(client: Client, stand: Stand) -> Self {
        let ((tell, acts_until), (witnessed, renewed)) = (watch::channel(None), watch::channel(None));
        let Stand { namespace, lease, identity, address } = stand;
        let campaign = Campaign {
            leases: Api::namespaced(client, &namespace),
            name: lease,
            identity,
            address,
            seen: None,
            acts_until: tell,
            renewed: witnessed,
        };
        let (resign, resigned) = oneshot::channel();
        Self { acts_until, renewed, resign: Some(resign), campaign: tokio::spawn(campaign.run(resigned)) }
    }

    /// Gives the lease up, so that the next one does not wait until it is over. To be called when nothing acts any more.
    pub async fn resign(mut self) {
        if let Some(resign) = self.resign.take() {
            let _ = resign.send(());
        }
        // It ends by itself, and every call that it makes has a deadline.
        let _ = (&mut self.campaign).await;
    }

    /// The question whether it acts.
    #[must_use]
    pub fn mandate(&self) -> Mandate {
        Mandate(self.acts_until.clone())
    }

    /// The question whether anybody acts.
    #[must_use]
    pub fn witness(&self) -> Witness {
        Witness(self.renewed.clone())
    }

    /// Waits until this operator acts.
    pub async fn won(&mut self) {
        // The sender goes with the task, which goes with this.
        let _ = self.acts_until.wait_for(|until| until.is_some_and(|until| Instant::now() < until)).await;
    }

    /// Waits until it does no more.
    pub async fn lost(&mut self) {
        loop {
            let Some(until) = *self.acts_until.borrow_and_update() else { return };
            if Instant::now() >= until {
                return;
            }
            // Either it was renewed meanwhile, or its time is up.
            let _ = tokio::time::timeout_at(until, self.acts_until.changed()).await;
        }
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        self.campaign.abort();
    }
}

struct Campaign {
    leases: Api<Lease>,
    name: &'static str,
    identity: String,
    address: Option<SocketAddr>,
    /// Who held it when it was last renewed, and when we saw that.
    seen: Option<(LeaseSpec, Instant)>,
    acts_until: watch::Sender<Option<Instant>>,
    renewed: watch::Sender<Option<Renewed>>,
}

impl Campaign {
    /// Until it is told that this operator resigns.
    async fn run(mut self, mut resigned: oneshot::Receiver<()>) {
        let mut clock = tokio::time::interval(LOOK_EVERY);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = clock.tick() => {}
                told = &mut resigned => {
                    if told.is_ok() {
                        self.give_up().await;
                    }
                    return;
                }
            }
            let asked = Instant::now();
            match self.try_hold(asked).await {
                Ok(true) => {
                    self.acts_until.send_replace(Some(asked + ACTS_FOR));
                    self.renewed.send_replace(Some(Renewed { at: asked, address: self.address }));
                }
                Ok(false) => {
                    self.acts_until.send_replace(None);
                }
                // What was held is held until its time is up.
                Err(error) => tracing::warn!(%error, lease = self.name, "the lease was not renewed"),
            }
        }
    }

    /// Renews the lease, or takes it when it is over. Says whether it is ours.
    async fn try_hold(&mut self, now: Instant) -> Result<bool, CallError> {
        let Some(found) = within(Call::Read, self.leases.get_opt(self.name)).await? else {
            let lease = self.ours(None);
            return self.written(within(Call::Write, self.leases.create(&PostParams::default(), &lease)).await);
        };
        let spec = found.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        if holder != self.identity && !holder.is_empty() {
            match &self.seen {
                Some((seen, at)) if *seen == spec => {
                    if now.duration_since(*at) < LASTS {
                        return Ok(false);
                    }
                }
                seen => {
                    // The first look at it says nothing about when that was.
                    if seen.is_some() {
                        self.renewed.send_replace(Some(Renewed { at: now, address: address_of(&found) }));
                    }
                    self.seen = Some((spec, now));
                    return Ok(false);
                }
            }
        }
        let lease = self.ours(Some(&found));
        self.written(within(Call::Write, self.leases.replace(self.name, &PostParams::default(), &lease)).await)
    }

    /// Leaves the lease to nobody, if it is ours.
    async fn give_up(&mut self) {
        self.acts_until.send_replace(None);
        let given = async {
            let Some(mut found) = within(Call::Read, self.leases.get_opt(self.name)).await? else { return Ok(()) };
            let spec = found.spec.get_or_insert_default();
            if spec.holder_identity.as_deref() != Some(&self.identity) {
                return Ok(());
            }
            spec.holder_identity = Some(String::new());
            within(Call::Write, self.leases.replace(self.name, &PostParams::default(), &found)).await.map(drop)
        };
        if let Err(error) = given.await {
            tracing::warn!(%error, lease = self.name, "the lease is not given up: the next operator waits until it is over");
        }
    }

    /// Somebody else may have been first.
    fn written(&mut self, answer: Result<Lease, CallError>) -> Result<bool, CallError> {
        match answer {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some(409) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The lease with us as its holder.
    fn ours(&self, found: Option<&Lease>) -> Lease {
        let now = MicroTime(Timestamp::now());
        let before = found.and_then(|found| found.spec.clone()).unwrap_or_default();
        let is_ours = before.holder_identity.as_ref() == Some(&self.identity);
        let transitions = before.lease_transitions.unwrap_or(0);
        let mut metadata = match found {
            Some(found) => found.metadata.clone(),
            None => ObjectMeta { name: Some(self.name.to_owned()), ..ObjectMeta::default() },
        };
        let annotations = metadata.annotations.get_or_insert_default();
        match self.address {
            Some(address) => annotations.insert(ADDRESS.to_owned(), address.to_string()),
            None => annotations.remove(ADDRESS),
        };
        Lease {
            metadata,
            spec: Some(LeaseSpec {
                acquire_time: if is_ours { before.acquire_time } else { Some(now.clone()) },
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: i32::try_from(LASTS.as_secs()).ok(),
                lease_transitions: Some(if is_ours { transitions } else { transitions.saturating_add(1) }),
                renew_time: Some(now),
                ..LeaseSpec::default()
            }),
        }
    }
}

fn address_of(lease: &Lease) -> Option<SocketAddr> {
    lease.metadata.annotations.as_ref()?.get(ADDRESS)?.parse().ok()
}
