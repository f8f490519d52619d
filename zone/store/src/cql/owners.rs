//! Owner records: reading one with what a transaction has made of it, and replacing one by compare-and-swap.
//!
//! A row has a `revision` that every write raises by one, so that it names the row's contents for ever. A writer reads the
//! row, then asks whether its lease is live, then swaps the revision that it has read. If the swap is done, the row was the
//! same at the moment at which the lease was live: the write is as good as made at that moment, however late it arrives.
//! One that arrives after somebody else has touched the record does nothing. That is the whole of the fencing; the order
//! read, lease, swap must not be changed.

use darkages_topology::PlayerId;

use super::Inner;
use super::keys;
use super::marks::{self, Mark};
use super::wire::unavailable;
use crate::codec::{self, CodecError};
use crate::error::StoreError;
use crate::owner::OwnerRecord;

/// A row of a player who has one.
pub(super) struct Stored {
    pub revision: i64,
    pub record: OwnerRecord,
    /// The transaction that may have made another record of this one.
    pub mark: Option<(Mark, OwnerRecord)>,
}

/// A record that no transaction is about to change, and the revision that a swap of it expects.
#[derive(Clone)]
pub(super) struct Free {
    pub revision: i64,
    pub record: OwnerRecord,
}

type Columns = (i64, Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>);

fn damaged(player: PlayerId, error: CodecError) -> StoreError {
    StoreError::Corrupt { what: format!("player {player}"), reason: error.reason() }
}

fn decode(player: PlayerId, (revision, record, mark, marked): Columns) -> Result<Stored, StoreError> {
    let owner = |bytes: &[u8]| codec::decode_owner(bytes).map_err(|error| damaged(player, error));
    let mark = match (mark, marked) {
        (None, None) => None,
        (Some(mark), Some(marked)) => {
            let mark = marks::decode(&mark).map_err(|error| damaged(player, error))?;
            Some((mark, owner(&marked)?))
        }
        _ => return Err(damaged(player, CodecError::Field)),
    };
    Ok(Stored { revision, record: owner(&record)?, mark })
}

impl Inner {
    pub async fn read_owner(&self, action: &'static str, player: PlayerId) -> Result<Option<Stored>, StoreError> {
        let rows = self.wire.rows(action, &self.statements.read_owner, (keys::of_player(player),)).await?;
        let columns: Option<Columns> = rows.maybe_first_row().map_err(|error| unavailable(action, error))?;
        columns.map(|columns| decode(player, columns)).transpose()
    }

    /// The record as it is, for whoever only looks. A transaction that is not decided has changed nothing yet.
    pub async fn owner(&self, action: &'static str, player: PlayerId) -> Result<Option<OwnerRecord>, StoreError> {
        let mut stored = self.read_owner(action, player).await?;
        loop {
            let Some(Stored { revision, record, mark }) = stored else { return Ok(None) };
            let Some((mark, marked)) = mark else { return Ok(Some(record)) };
            if self.is_committed(action, &mark).await? {
                return Ok(Some(marked));
            }
            // The row that decides may have been forgotten because everything was carried out meanwhile: only if the mark is
            // still there, it was not.
            stored = self.read_owner(action, player).await?;
            if stored.as_ref().is_some_and(|again| again.revision == revision) {
                return Ok(Some(record));
            }
        }
    }

    /// Replaces `from` by `next`; whether it was still there. A transaction leaves its `mark` and keeps `from`.
    pub async fn replace(
        &self,
        action: &'static str,
        player: PlayerId,
        from: &Free,
        next: &OwnerRecord,
        mark: Option<&Mark>,
    ) -> Result<bool, StoreError> {
        let next = codec::encode_owner(next);
        let (record, marked) = match mark {
            None => (next, None),
            Some(_) => (codec::encode_owner(&from.record), Some(next)),
        };
        let values =
            (from.revision + 1, record, mark.map(marks::encode), marked, keys::of_player(player), from.revision);
        self.wire.cas(action, &self.statements.write_owner, values).await
    }

    /// Makes the first record of a player; whether there was none.
    pub async fn create(
        &self,
        action: &'static str,
        player: PlayerId,
        record: &OwnerRecord,
    ) -> Result<bool, StoreError> {
        let values = (keys::of_player(player), codec::encode_owner(record));
        self.wire.cas(action, &self.statements.create_owner, values).await
    }
}
