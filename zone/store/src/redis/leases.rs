//! Leases and the shard map.

use std::time::Duration;

use darkages_topology::{Revision, ShardEpoch, ShardId, ZoneId};
use redis::{Value, cmd};

use super::RedisStore;
use super::answer::{int, list, maybe_bytes, next, number, text};
use super::scripts::{Request, Script};
use super::trouble::Trouble;
use crate::codec::{self, millis};
use crate::document::{TopologyDocument, TopologySwapped};
use crate::error::StoreError;
use crate::lease::{Acquired, Fence, Lease, LeaseView, Renewed};

/// A time as scripts take it, in whole milliseconds and never none: a lease of no time would be no lease.
fn span(time: Duration) -> String {
    millis(time).max(1).to_string()
}

fn left(value: Value) -> Result<Option<Duration>, Trouble> {
    let millis: u64 = number(value)?;
    Ok((millis > 0).then(|| Duration::from_millis(millis)))
}

impl RedisStore {
    pub(super) async fn acquire_lease(
        &self,
        shard: ShardId,
        zone: &ZoneId,
        ttl: Duration,
    ) -> Result<Acquired, StoreError> {
        let request = Request::script(Script::Acquire, [shard.0.to_string(), span(ttl), zone.0.clone()]);
        self.ask("acquiring a lease", request, |answer| {
            let mut parts = list(answer)?.into_iter();
            let granted = int(&next(&mut parts)?)? == 1;
            let epoch = ShardEpoch(number(next(&mut parts)?)?);
            if granted {
                return Ok(Acquired::Granted(Lease { fence: Fence { shard, epoch }, ttl }));
            }
            let left = left(next(&mut parts)?)?.unwrap_or_default();
            Ok(Acquired::Held { by: ZoneId(text(next(&mut parts)?)?), epoch, left })
        })
        .await
    }

    pub(super) async fn renew_lease(&self, fence: Fence, ttl: Duration) -> Result<Renewed, StoreError> {
        let Fence { shard, epoch } = fence;
        let request = Request::script(Script::Renew, [shard.0.to_string(), epoch.0.to_string(), span(ttl)]);
        self.ask("renewing a lease", request, |answer| {
            Ok(if int(&answer)? == 1 { Renewed::Extended(Lease { fence, ttl }) } else { Renewed::Over })
        })
        .await
    }

    pub(super) async fn release_lease(&self, fence: Fence) -> Result<(), StoreError> {
        let Fence { shard, epoch } = fence;
        let request = Request::script(Script::Release, [shard.0.to_string(), epoch.0.to_string()]);
        self.ask("releasing a lease", request, |answer| int(&answer).map(|_| ())).await
    }

    /// Leases of shards from `from` on.
    pub(super) async fn list_leases(&self, from: u64, limit: usize) -> Result<Vec<LeaseView>, StoreError> {
        let request = Request::script(Script::Leases, [from.to_string(), limit.to_string()]);
        self.ask("listing leases", request, |answer| {
            let mut parts = list(answer)?.into_iter();
            let mut views = Vec::new();
            while let Some(shard) = parts.next() {
                let fence = Fence { shard: ShardId(number(shard)?), epoch: ShardEpoch(number(next(&mut parts)?)?) };
                let left = left(next(&mut parts)?)?;
                views.push(LeaseView { fence, zone: ZoneId(text(next(&mut parts)?)?), left });
            }
            Ok(views)
        })
        .await
    }

    pub(super) async fn read_topology(&self) -> Result<Option<TopologyDocument>, StoreError> {
        let command = cmd("GET").arg(self.key(":topology")).to_owned();
        self.ask("loading the shard map", Request::Command(command), document).await
    }

    pub(super) async fn swap_topology(
        &self,
        expected: Option<Revision>,
        next_document: &TopologyDocument,
    ) -> Result<TopologySwapped, StoreError> {
        let revision = expected.map_or_else(Vec::new, |revision| revision.0.to_le_bytes().to_vec());
        let request = Request::Script(Script::Topology, vec![revision, codec::encode_topology(next_document)]);
        self.ask("swapping the shard map", request, |answer| {
            let mut parts = list(answer)?.into_iter();
            if int(&next(&mut parts)?)? == 1 {
                return Ok(TopologySwapped::Done);
            }
            Ok(TopologySwapped::Conflict(document(parts.next().unwrap_or(Value::Nil))?))
        })
        .await
    }
}

fn document(value: Value) -> Result<Option<TopologyDocument>, Trouble> {
    let Some(bytes) = maybe_bytes(value)? else { return Ok(None) };
    let damaged = |_| Trouble::Damaged { what: "the shard map".to_owned() };
    codec::decode_topology(&bytes).map(Some).map_err(damaged)
}
