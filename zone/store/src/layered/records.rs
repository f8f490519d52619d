//! Putting the newest data into records that CQL has answered, and records into Redis that CQL has acknowledged.
//!
//! A record is CQL's, always. Its data is that of the copy in Redis only where the copy has the record's head, and then the
//! newer of the copy's and CQL's snapshot.

use darkages_topology::PlayerId;

use super::Layered;
use crate::held::Held;
use crate::owner::OwnerRecord;
use crate::snapshot::{Entry, Stamp, same_head};

impl Layered {
    /// Gives records with data of these `stamps` newer data, if Redis has any. With `fill`, Redis gets those that it has not.
    pub(super) async fn freshen(&self, mut records: Vec<Held<'_>>, stamps: Vec<Stamp>, fill: bool) {
        let players: Vec<PlayerId> = records.iter().map(|(player, _)| *player).collect();
        let Some(copies) = self.copies.find(&players).await else {
            return self.count(0, players.len());
        };
        let mut missing = Vec::new();
        for (((player, record), stamp), copy) in records.iter_mut().zip(stamps).zip(copies) {
            match copy.filter(|copy| same_head(record, &copy.record) && copy.stamp >= stamp) {
                Some(copy) => record.data = copy.record.data,
                None => missing.push((Entry::new(*player, record, stamp), Vec::new())),
            }
        }
        self.count(players.len() - missing.len(), missing.len());
        if fill {
            self.copies.put(&missing).await;
        }
    }

    /// Gives Redis records that were just made. It is not waited for longer than it may take, and not needed.
    pub(super) async fn tell(&self, made: impl Iterator<Item = (PlayerId, &OwnerRecord)>) {
        let made: Vec<_> =
            made.map(|(player, record)| (Entry::new(player, record, Stamp::default()), Vec::new())).collect();
        self.copies.put(&made).await;
    }
}
