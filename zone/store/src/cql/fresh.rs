//! Owner records for whoever asks for them: as they are, with the newest data that is known in CQL, and how new those are.

use darkages_topology::{PlayerId, ShardId};

use super::Cql;
use crate::check;
use crate::error::StoreError;
use crate::held;
use crate::journal::{Committed, Transaction};
use crate::lease::Fence;
use crate::limits::MAX_PAGE;
use crate::owner::{OwnerRecord, Swap, Swapped};
use crate::snapshot::Stamp;

/// An answer, and the stamps of the records in it, in the order of [`held`].
pub(crate) type Fresh<T> = Result<(T, Vec<Stamp>), StoreError>;

/// Players and their records.
pub(crate) type Page = Vec<(PlayerId, OwnerRecord)>;

/// What became of a transaction, and the records that it made.
pub(crate) type Carried = (Committed, Page);

impl Cql {
    pub(crate) async fn fresh_owners(&self, players: &[PlayerId]) -> Fresh<Vec<Option<OwnerRecord>>> {
        const ACTION: &str = "reading owner records";
        check::batch(players.len())?;
        let read = async {
            let mut records = self.inner.owners(ACTION, players).await?;
            let stamps = self.inner.freshen(ACTION, &mut held::in_list(players, &mut records)).await?;
            Ok((records, stamps))
        };
        self.call(ACTION, read).await
    }

    pub(crate) async fn fresh_owned_by(&self, shard: ShardId, after: Option<PlayerId>, limit: usize) -> Fresh<Page> {
        const ACTION: &str = "listing the players of a shard";
        let read = async {
            let mut page = self.inner.owned_by(shard, after, limit.min(MAX_PAGE)).await?;
            let stamps = self.inner.freshen(ACTION, &mut held::in_page(&mut page)).await?;
            Ok((page, stamps))
        };
        self.call(ACTION, read).await
    }

    pub(crate) async fn fresh_scan(&self, after: Option<PlayerId>, limit: usize) -> Fresh<Page> {
        const ACTION: &str = "listing all players";
        let read = async {
            let mut page = self.inner.scan_owners(after, limit.min(MAX_PAGE)).await?;
            let stamps = self.inner.freshen(ACTION, &mut held::in_page(&mut page)).await?;
            Ok((page, stamps))
        };
        self.call(ACTION, read).await
    }

    pub(crate) async fn fresh_swap(&self, fence: Fence, swaps: Vec<Swap>) -> Fresh<Vec<Swapped>> {
        const ACTION: &str = "swapping owner records";
        check::swaps(&swaps)?;
        let players: Vec<_> = swaps.iter().map(|swap| swap.player).collect();
        let swap = async {
            let mut answers = self.inner.swap(fence, swaps).await?;
            let stamps = self.inner.freshen(ACTION, &mut held::in_conflicts(&players, &mut answers)).await?;
            Ok((answers, stamps))
        };
        self.call(ACTION, swap).await
    }

    pub(crate) async fn fresh_commit(&self, fence: Fence, transaction: Transaction) -> Fresh<Carried> {
        const ACTION: &str = "committing a transaction";
        check::transaction(&transaction)?;
        let commit = async {
            let (mut answer, made) = self.inner.commit(fence, transaction).await?;
            let stamps = self.inner.freshen(ACTION, &mut held::in_refusal(&mut answer)).await?;
            Ok(((answer, made), stamps))
        };
        self.call(ACTION, commit).await
    }
}
