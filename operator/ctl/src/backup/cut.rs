//! Which transactions are in a world at a moment: a cut through the log that takes every transaction whole.
//!
//! What flows in are the logs of some backups and a moment; what flows out is a judgement of each entry. An entry belongs to
//! the world when its stamp is not later than the moment and every transaction on which it builds belongs to it, too: one of
//! the same player with a lower version. Stamps alone do not say that, because servers' clocks differ, by less than
//! [`MAX_INVERSION`].

use std::collections::HashMap;

use darkages_store::{LogEntry, StateVersion};
use darkages_topology::PlayerId;
use jiff::{SignedDuration, Timestamp};

use super::create::timestamp;
use super::format::Logged;
use super::limits::{MAX_INVERSION, MAX_NEAR};
use super::moment::Plan;
use super::read::Records;
use super::rolled::RollError;
use super::target::Target;

/// The cut at a moment.
#[derive(Debug)]
pub struct Cut {
    /// Every transaction up to this one is in the records.
    since: Timestamp,
    moment: Timestamp,
    /// Of players with transactions shortly after the moment, the version that the first of them has made.
    excluded: HashMap<PlayerId, StateVersion>,
}

/// A transaction that happened about the moment.
struct Near {
    is_late: bool,
    parties: Box<[(PlayerId, StateVersion)]>,
}

impl Cut {
    /// Looks through the log of `plan`.
    ///
    /// # Errors
    /// When it cannot be read, or more happened about the moment than is looked at.
    pub async fn find(target: &Target, plan: &Plan<'_>) -> Result<Self, RollError> {
        let since = plan.base().and_then(|base| base.manifest.covers).map_or(Timestamp::MIN, |covers| covers.since);
        let mut near = Vec::new();
        for backup in &plan.log {
            let mut entries = Records::<Logged>::new(target, &backup.manifest);
            while let Some(Logged { entry, .. }) = entries.next().await? {
                near.extend(near_to(plan.moment, &entry));
                if near.len() > MAX_NEAR {
                    return Err(RollError::Crowded);
                }
            }
        }
        Ok(Self { since, moment: plan.moment, excluded: excluded(near) })
    }

    /// Whether a transaction is in the world and not in all records anyway.
    pub fn has(&self, entry: &LogEntry) -> bool {
        let at = timestamp(entry.at);
        let after = |(player, version): (PlayerId, StateVersion)| {
            self.excluded.get(&player).is_some_and(|excluded| version >= *excluded)
        };
        at > self.since && at <= self.moment && !parties(entry).any(after)
    }

    /// The lowest version of a player that is not in the world any more, as far as it is known.
    pub fn first_excluded(&self, player: PlayerId) -> Option<StateVersion> {
        self.excluded.get(&player).copied()
    }
}

fn parties(entry: &LogEntry) -> impl Iterator<Item = (PlayerId, StateVersion)> {
    entry.states.iter().map(|state| (state.player, state.data.version))
}

fn near_to(moment: Timestamp, entry: &LogEntry) -> Option<Near> {
    let after = timestamp(entry.at).duration_since(moment);
    let inversion = SignedDuration::try_from(MAX_INVERSION).unwrap_or(SignedDuration::MAX);
    let is_near = after.abs() <= inversion && !entry.states.is_empty();
    is_near.then(|| Near { is_late: after.is_positive(), parties: parties(entry).collect() })
}

/// The first version of each player that is out: of transactions that are late, and of those that build on one that is out.
fn excluded(mut near: Vec<Near>) -> HashMap<PlayerId, StateVersion> {
    let mut excluded: HashMap<PlayerId, StateVersion> = HashMap::new();
    loop {
        let before = near.len();
        near.retain(|transaction| {
            let builds_on_one = |(player, version): &(PlayerId, StateVersion)| {
                excluded.get(player).is_some_and(|excluded| version >= excluded)
            };
            let is_out = transaction.is_late || transaction.parties.iter().any(builds_on_one);
            if is_out {
                for (player, version) in &transaction.parties {
                    excluded.entry(*player).and_modify(|first| *first = (*first).min(*version)).or_insert(*version);
                }
            }
            !is_out
        });
        if near.len() == before {
            return excluded;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(is_late: bool, parties: &[(u64, u64)]) -> Near {
        let parties = parties.iter().map(|(player, version)| (PlayerId(*player), StateVersion(*version)));
        Near { is_late, parties: parties.collect() }
    }

    #[test]
    fn what_builds_on_something_that_is_out_is_out_too() {
        // 2 pays 3 with what it got from 1, and 3 pays 4; the stamp of the first is late by a slow clock.
        let log = vec![
            near(false, &[(3, 9), (4, 1)]),
            near(false, &[(2, 6), (3, 8)]),
            near(true, &[(1, 4), (2, 5)]),
            near(false, &[(5, 1), (6, 1)]),
            near(false, &[(1, 3), (4, 0)]),
        ];
        let excluded = excluded(log);
        let mut found: Vec<_> = excluded.into_iter().map(|(player, version)| (player.0, version.0)).collect();
        found.sort_unstable();
        assert_eq!(found, [(1, 4), (2, 5), (3, 8), (4, 1)]);
    }
}
