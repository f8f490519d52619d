//! Reading owner records, one by one and by lists, and what all calls about them share.

use darkages_topology::{PlayerId, ShardId};
use redis::{Value, cmd};

use super::answer::{bytes, list, maybe_bytes, next, number};
use super::lane::unavailable;
use super::scripts::{Request, Script};
use super::trouble::Trouble;
use super::{RedisStore, keys};
use crate::codec;
use crate::error::StoreError;
use crate::lease::Fence;
use crate::owner::OwnerRecord;

/// Records and their bytes in one script, at most: while a script runs the server does nothing else. A batch of more is
/// several scripts in one round trip.
pub(super) const MAX_CHUNK: usize = 256;
const MAX_CHUNK_BYTES: usize = 1024 * 1024;

impl RedisStore {
    pub(super) async fn read_owners(&self, players: &[PlayerId]) -> Result<Vec<Option<OwnerRecord>>, StoreError> {
        if players.is_empty() {
            // Still refuses when the store is closed.
            return self.durable.call("reading owner records", Vec::new()).await.map(|_| Vec::new());
        }
        let action = "reading owner records";
        let answers = self.durable.call(action, reads(&self.base, players)).await?;
        let mut records = Vec::with_capacity(players.len());
        let read = || {
            for answer in answers {
                for value in list(answer)? {
                    let player = players.get(records.len()).copied().unwrap_or_default();
                    records.push(record(player, value)?);
                }
            }
            Ok(())
        };
        read().map_err(|trouble| unavailable(action, trouble))?;
        Ok(records)
    }

    /// Players of a list, with their records, above `after`.
    pub(super) async fn list_owners(
        &self,
        action: &'static str,
        list_name: String,
        after: Option<PlayerId>,
        limit: usize,
    ) -> Result<Vec<(PlayerId, OwnerRecord)>, StoreError> {
        let from = after.map_or_else(|| "-".to_owned(), |after| format!("({}", keys::player(after)));
        let request = Request::script(Script::Owned, [list_name, from, limit.to_string()]);
        self.ask(action, request, |answer| {
            let mut parts = list(answer)?.into_iter();
            let mut page = Vec::new();
            while let Some(name) = parts.next() {
                let damaged = || Trouble::Damaged { what: "a list of players".to_owned() };
                let player = keys::player_of(&bytes(name)?).ok_or_else(damaged)?;
                let record = record(player, next(&mut parts)?)?;
                page.push((player, record.ok_or_else(damaged)?));
            }
            Ok(page)
        })
        .await
    }

    pub(super) async fn list_owning(&self, after: Option<ShardId>, limit: usize) -> Result<Vec<ShardId>, StoreError> {
        let from = after.map_or_else(|| "-inf".to_owned(), |after| format!("({}", after.0));
        let mut command = cmd("ZRANGEBYSCORE");
        command.arg(self.key(":owning")).arg(from).arg("+inf").arg("LIMIT").arg(0).arg(limit);
        self.ask("listing the shards that own players", Request::Command(command), |answer| {
            list(answer)?.into_iter().map(|shard| Ok(ShardId(number(shard)?))).collect()
        })
        .await
    }
}

/// Commands that read what there is of `players`, in their order.
pub(super) fn reads(base: &str, players: &[PlayerId]) -> Vec<Request> {
    let read = |players: &[PlayerId]| {
        let mut command = cmd("MGET");
        for player in players {
            command.arg(format!("{base}:owner:{}", keys::player(*player)));
        }
        Request::Command(command)
    };
    players.chunks(MAX_CHUNK).map(read).collect()
}

/// Splits a batch so that no script has too much to do. Nothing is in an empty batch, not even an empty chunk.
pub(super) fn chunks<T>(mut rest: &[T], size: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        let mut total = 0;
        let fits = |one: &&T| {
            total += size(one);
            total <= MAX_CHUNK_BYTES
        };
        // One alone may be larger than a chunk, and is one then.
        let count = rest.iter().take(MAX_CHUNK).take_while(fits).count().max(1);
        let (chunk, tail) = rest.split_at(count);
        chunks.push(chunk);
        rest = tail;
    }
    chunks
}

/// The shard and the epoch of a fence, as the first arguments of every script that writes under one.
pub(super) fn fence_arguments(fence: Fence) -> Vec<Vec<u8>> {
    vec![fence.shard.0.to_string().into_bytes(), fence.epoch.0.to_string().into_bytes()]
}

/// The record in this answer.
pub(super) fn record(player: PlayerId, value: Value) -> Result<Option<OwnerRecord>, Trouble> {
    let Some(bytes) = maybe_bytes(value)? else { return Ok(None) };
    let damaged = |_| Trouble::Damaged { what: format!("player {player}") };
    codec::decode_owner(&bytes).map(Some).map_err(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_chunk_is_too_large_and_nothing_is_left_out() {
        let sizes: Vec<usize> = (0..1_000).map(|place| place * 37 % 9_000).chain([3 * MAX_CHUNK_BYTES, 5]).collect();
        let chunked = chunks(&sizes, |size| *size);
        assert_eq!(chunked.concat(), sizes);
        for chunk in chunked {
            assert!(chunk.len() == 1 || chunk.iter().sum::<usize>() <= MAX_CHUNK_BYTES);
            assert!(chunk.len() <= MAX_CHUNK);
        }
        assert!(chunks(&[], |size: &usize| *size).is_empty());
    }
}
