//! Lists of leases, shards and players, in order, from servers that keep partitions in no order of ours.
//!
//! Beside the records there are lists of hints: which players a shard may own, all players, all shards. An entry is made
//! *before* the record that it leads to, so that none is ever missing; whoever reads a list checks each entry against its
//! record, so that one too many does no harm. Entries of `owned` carry the owner epoch as their timestamp: one that is
//! removed late cannot take a newer one along, whatever the clocks of writers say.

use darkages_topology::{OwnerEpoch, PlayerId, ShardId};
use futures_util::{StreamExt, TryStreamExt, stream};
use scylla::response::query_result::QueryRowsResult;

use super::Inner;
use super::keys;
use super::swaps::BATCH_WIDTH;
use super::wire::unavailable;
use crate::error::StoreError;
use crate::lease::LeaseView;
use crate::owner::OwnerRecord;

/// Shards that this process remembers to have listed, at most; beyond it forgets them all and lists anew.
const MAX_LISTED: usize = 65_536;

/// Hints that are read at a time: some may lead to nothing, so a page of few players reads a few more.
const HINTS: usize = 8;

/// Attempts at a page that is of one moment before the page becomes half as long.
const LOOKS: u32 = 3;

type Owned = (PlayerId, OwnerRecord);

/// The timestamp of an entry that leads to a record of this epoch.
const fn listed_at(epoch: OwnerEpoch) -> i64 {
    (epoch.0 as i64) * 2
}

/// The timestamp that removes entries of this epoch and of earlier ones, and none of later ones.
const fn unlisted_at(epoch: OwnerEpoch) -> i64 {
    listed_at(epoch) + 1
}

fn column(action: &'static str, rows: &QueryRowsResult) -> Result<Vec<i64>, StoreError> {
    let rows = rows.rows::<(i64,)>().map_err(|error| unavailable(action, error))?;
    rows.map(|row| row.map(|(key,)| key).map_err(|error| unavailable(action, error))).collect()
}

impl Inner {
    /// Lists a shard before it gets a lease or a player.
    pub async fn list_shard(&self, action: &'static str, shard: ShardId) -> Result<(), StoreError> {
        if self.listed().contains(&shard) {
            return Ok(());
        }
        self.wire.run(action, &self.statements.list_shard, (keys::of_shard(shard),)).await?;
        let mut listed = self.listed();
        if listed.len() >= MAX_LISTED {
            listed.clear();
        }
        listed.insert(shard);
        Ok(())
    }

    /// Lists a player with the shard that is about to own it, when that is a new one.
    pub async fn list_owner(
        &self,
        action: &'static str,
        player: PlayerId,
        before: Option<ShardId>,
        next: &OwnerRecord,
    ) -> Result<(), StoreError> {
        if before == Some(next.owner) {
            return Ok(());
        }
        self.list_shard(action, next.owner).await?;
        let key = keys::of_player(player);
        let owned = (keys::of_shard(next.owner), key, listed_at(next.owner_epoch));
        self.wire.run(action, &self.statements.list_owned, owned).await?;
        if before.is_none() {
            self.wire.run(action, &self.statements.list_player, (keys::slice(player), key)).await?;
        }
        Ok(())
    }

    /// Takes a player off the list of the shard that owned it. What goes wrong is left to readers, who check.
    pub async fn unlist_owner(
        &self,
        action: &'static str,
        player: PlayerId,
        before: Option<ShardId>,
        now: &OwnerRecord,
    ) {
        let Some(before) = before.filter(|before| *before != now.owner) else { return };
        let values = (unlisted_at(now.owner_epoch), keys::of_shard(before), keys::of_player(player));
        if let Err(error) = self.wire.run(action, &self.statements.unlist_owned, values).await {
            tracing::debug!(%error, "an entry of a list outlives its record");
        }
    }

    async fn shards(&self, action: &'static str, after: i64, limit: usize) -> Result<Vec<ShardId>, StoreError> {
        let rows = self.wire.rows(action, &self.statements.shards, (after, limit as i32)).await?;
        Ok(column(action, &rows)?.into_iter().map(keys::shard).collect())
    }

    /// What `look` finds of shards above `after`, in their order, until there are `limit`.
    async fn of_shards<T, F>(
        &self,
        action: &'static str,
        after: Option<ShardId>,
        limit: usize,
        look: impl Fn(ShardId) -> F,
    ) -> Result<Vec<T>, StoreError>
    where
        F: Future<Output = Result<Option<T>, StoreError>>,
    {
        let mut from = after.map_or(-1, keys::of_shard);
        let mut found = Vec::new();
        while found.len() < limit {
            let shards = self.shards(action, from, limit - found.len()).await?;
            let Some(last) = shards.last() else { break };
            from = keys::of_shard(*last);
            let looks: Vec<_> = shards.into_iter().map(&look).collect();
            let page: Vec<_> = stream::iter(looks).buffered(BATCH_WIDTH).try_collect().await?;
            found.extend(page.into_iter().flatten());
        }
        Ok(found)
    }

    pub async fn leases(&self, after: Option<ShardId>, limit: usize) -> Result<Vec<LeaseView>, StoreError> {
        const ACTION: &str = "listing leases";
        self.of_shards(ACTION, after, limit, |shard| self.look(ACTION, shard)).await
    }

    pub async fn owning_shards(&self, after: Option<ShardId>, limit: usize) -> Result<Vec<ShardId>, StoreError> {
        const ACTION: &str = "listing shards with players";
        let look = |shard| async move {
            let first = self.owned_by(shard, None, 1).await?;
            Ok((!first.is_empty()).then_some(shard))
        };
        self.of_shards(ACTION, after, limit, look).await
    }

    pub async fn owners(
        &self,
        action: &'static str,
        players: &[PlayerId],
    ) -> Result<Vec<Option<OwnerRecord>>, StoreError> {
        let reads: Vec<_> = players.iter().map(|player| self.owner(action, *player)).collect();
        stream::iter(reads).buffered(BATCH_WIDTH).try_collect().await
    }

    pub async fn owned_by(
        &self,
        shard: ShardId,
        after: Option<PlayerId>,
        limit: usize,
    ) -> Result<Vec<Owned>, StoreError> {
        const ACTION: &str = "listing the players of a shard";
        let (mut after, mut found) = (after, Vec::new());
        while found.len() < limit {
            let hints = (limit - found.len()).max(HINTS);
            let players = self.hints_of_shard(ACTION, shard, after, hints).await?;
            let Some(last) = players.last() else { break };
            after = Some(*last);
            for (player, record) in players.iter().zip(self.owners(ACTION, &players).await?) {
                match record {
                    Some(record) if record.owner == shard => found.push((*player, record)),
                    Some(record) => self.unlist_owner(ACTION, *player, Some(shard), &record).await,
                    // It is about to be made, or somebody failed to.
                    None => {}
                }
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    async fn hints_of_shard(
        &self,
        action: &'static str,
        shard: ShardId,
        after: Option<PlayerId>,
        limit: usize,
    ) -> Result<Vec<PlayerId>, StoreError> {
        let (shard, limit) = (keys::of_shard(shard), limit as i32);
        let rows = match after {
            None => self.wire.rows(action, &self.statements.owned_from_start, (shard, limit)).await?,
            Some(after) => {
                self.wire.rows(action, &self.statements.owned, (shard, keys::of_player(after), limit)).await?
            }
        };
        Ok(column(action, &rows)?.into_iter().map(keys::player).collect())
    }

    /// All records in order of player. Two looks at the same players that find the same owner epochs, phases and versions,
    /// which never come back, show that all of them were there together between the looks; checkpoints apart, a page is of
    /// that moment.
    pub async fn scan_owners(&self, after: Option<PlayerId>, limit: usize) -> Result<Vec<Owned>, StoreError> {
        const ACTION: &str = "listing all players";
        let (mut after, mut limit) = (after, limit);
        loop {
            let players = self.hints_of_all(ACTION, after, limit).await?;
            let Some(last) = players.last().copied() else { return Ok(Vec::new()) };
            let mut records = self.owners(ACTION, &players).await?;
            for look in 1..=LOOKS {
                let again = self.owners(ACTION, &players).await?;
                let same = records.iter().map(stamp).eq(again.iter().map(stamp));
                records = again;
                if same || players.len() == 1 {
                    let found = players.iter().zip(records).filter_map(|(player, record)| Some((*player, record?)));
                    let found: Vec<_> = found.collect();
                    if !found.is_empty() {
                        return Ok(found);
                    }
                    // Nobody of them has a record (yet), and an empty page would be the end.
                    after = Some(last);
                    break;
                }
                if look == LOOKS {
                    limit = players.len() / 2;
                }
            }
        }
    }

    async fn hints_of_all(
        &self,
        action: &'static str,
        after: Option<PlayerId>,
        limit: usize,
    ) -> Result<Vec<PlayerId>, StoreError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let slices: Vec<_> = (0..keys::SLICES as i32)
            .map(|slice| async move {
                let rows = match after {
                    None => self.wire.rows(action, &self.statements.players_from_start, (slice, limit as i32)).await?,
                    Some(after) => {
                        let values = (slice, keys::of_player(after), limit as i32);
                        self.wire.rows(action, &self.statements.players, values).await?
                    }
                };
                column(action, &rows)
            })
            .collect();
        let slices: Vec<Vec<i64>> = stream::iter(slices).buffer_unordered(BATCH_WIDTH).try_collect().await?;
        let mut keys: Vec<_> = slices.into_iter().flatten().collect();
        keys.sort_unstable();
        keys.truncate(limit);
        Ok(keys.into_iter().map(keys::player).collect())
    }
}

/// What names a record's place in its history, its checkpoints apart.
fn stamp(record: &Option<OwnerRecord>) -> Option<(crate::owner::Expect, crate::owner::StateVersion)> {
    record.as_ref().map(|record| (record.expect(), record.data.version))
}
