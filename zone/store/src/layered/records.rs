//! Putting the newest data into records that CQL has answered, and records into Redis that CQL has acknowledged.
//!
//! A record is CQL's, always. Its data is that of the copy in Redis, or of a checkpoint of this process that waits to be written
//! to CQL, only where those have the record's head, and then the newest of all.

use darkages_topology::PlayerId;

use super::Layered;
use super::unsaved::Kept;
use crate::held::Held;
use crate::owner::OwnerRecord;
use crate::snapshot::{self, Entry, Stamp, Stamped, same_head};

impl Layered {
    /// Gives records with data of these `stamps` newer data, if Redis has any, or `kept` has, which was looked up before CQL was
    /// asked: what is written meanwhile CQL may not have answered. With `fill`, Redis gets those that it has not.
    pub(super) async fn freshen(&self, kept: &Kept, mut records: Vec<Held<'_>>, stamps: Vec<Stamp>, fill: bool) {
        let players: Vec<PlayerId> = records.iter().map(|(player, _)| *player).collect();
        let found = self.copies.find(&players).await;
        let fill = fill && found.is_some();
        let copies = found.unwrap_or_else(|| vec![None; players.len()]);
        let (mut hits, mut missing) = (0, Vec::new());
        for (((player, record), stamp), copy) in records.iter_mut().zip(stamps).zip(copies) {
            let is_newer = |held: &Stamped| same_head(record, &held.record) && held.stamp >= stamp;
            let copy = copy.filter(is_newer);
            let known = copy.as_ref().map_or(stamp, |copy| copy.stamp);
            // Redis may have been emptied since it took this.
            let own = kept.get(player).filter(|entry| entry.stamp > known);
            let own = own.and_then(|entry| snapshot::decode(&entry.bytes()).ok()).filter(is_newer);
            let is_hit = copy.is_some() && own.is_none();
            let newest = own.or(copy);
            let stamp = newest.as_ref().map_or(stamp, |newest| newest.stamp);
            if let Some(newest) = newest {
                record.data = newest.record.data;
            }
            if is_hit {
                hits += 1;
            } else if fill {
                missing.push((Entry::new(*player, record, stamp), Vec::new()));
            }
        }
        self.count(hits, players.len() - hits);
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
