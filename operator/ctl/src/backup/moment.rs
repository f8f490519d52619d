//! Which backups together have the world at a moment. Pure.
//!
//! A backup has the records of all players, each of its own moment between two that it knows, and the log from the backup
//! before it to a moment after them. Records brought forward by all transactions up to one moment are the world at that
//! moment: no sooner than all records are, and no later than the log goes without a gap, be it through further backups.

use std::fmt;

use jiff::Timestamp;

use super::catalogue::{Catalogue, Whole};
use super::manifest::{Covers, Parent};

/// Ranges that are told when a moment is in none; the oldest ones are left out.
const MAX_TOLD: usize = 3;

/// What is read to have a world at a moment.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// The backup that has the records, and those on which it builds, the newest first.
    pub chain: Vec<&'a Whole>,
    /// Those whose logs lead from the records to the moment, the oldest first. None when the backup does not say of which
    /// moments it is.
    pub log: Vec<&'a Whole>,
    /// The moment.
    pub moment: Timestamp,
}

/// Moments that backups cover, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    from: Timestamp,
    to: Timestamp,
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        write!(f, "from {from} to {to}")
    }
}

/// Why a moment cannot be had: what can.
#[derive(Debug, thiserror::Error)]
#[error("the backups cover {covered}{more}")]
pub struct NotCovered {
    covered: String,
    /// What to do about a moment that is later than all of them.
    more: &'static str,
}

impl<'a> Plan<'a> {
    /// The world as a backup has it: at the end of its own log. `chain` is the backup and those on which it builds.
    pub fn of(chain: Vec<&'a Whole>) -> Self {
        let newest = chain.first().filter(|newest| newest.manifest.covers.is_some()).copied();
        let moment = newest.and_then(|newest| newest.manifest.covers).map_or(Timestamp::MAX, |covers| covers.until);
        Self { chain, log: newest.into_iter().collect(), moment }
    }

    /// The world at `moment`, from the newest records that are not later.
    ///
    /// # Errors
    /// When no backups lead there.
    pub fn at(catalogue: &'a Catalogue, moment: Timestamp) -> Result<Self, NotCovered> {
        for base in catalogue.whole().rev() {
            let Some(covers) = base.manifest.covers.filter(|covers| covers.records <= moment) else { continue };
            let Ok(chain) = catalogue.chain(base.manifest.id) else { continue };
            let log = followed(catalogue, base, covers, moment);
            if log.last().is_some_and(|last| until(last) >= moment) {
                return Ok(Self { chain, log, moment });
            }
        }
        Err(not_covered(catalogue, moment))
    }

    /// The backup that knows best which incarnations there have been at the moment.
    pub fn latest(&self) -> Option<&'a Whole> {
        self.log.last().or(self.chain.first()).copied()
    }

    /// The backup that has the records.
    pub fn base(&self) -> Option<&'a Whole> {
        self.chain.first().copied()
    }
}

fn until(backup: &Whole) -> Timestamp {
    backup.manifest.covers.map_or(Timestamp::MIN, |covers| covers.until)
}

/// `base` and the backups whose logs follow it, as far as `moment` needs them or as far as they go.
fn followed<'a>(catalogue: &'a Catalogue, base: &'a Whole, covers: Covers, moment: Timestamp) -> Vec<&'a Whole> {
    let (mut log, mut reached) = (vec![base], covers.until);
    while reached < moment {
        let Some(last) = log.last() else { break };
        let this = Parent { id: last.manifest.id, digest: last.digest };
        // A backup is named after those on which anything of it builds, so this comes to an end.
        let follower =
            catalogue.whole().rfind(|next| next.manifest.id > this.id && next.manifest.follows == Some(this));
        let Some(next) = follower else { break };
        reached = until(next);
        log.push(next);
    }
    log
}

fn not_covered(catalogue: &Catalogue, moment: Timestamp) -> NotCovered {
    let mut ranges: Vec<Range> = Vec::new();
    for base in catalogue.whole() {
        let Some(covers) = base.manifest.covers else { continue };
        if catalogue.chain(base.manifest.id).is_err() {
            continue;
        }
        let log = followed(catalogue, base, covers, Timestamp::MAX);
        let range = Range { from: covers.records, to: log.last().map_or(covers.until, |last| until(last)) };
        match ranges.last_mut() {
            Some(last) if range.from <= last.to => last.to = last.to.max(range.to),
            _ => ranges.push(range),
        }
    }
    let later = ranges.last().is_some_and(|last| last.to < moment);
    let more = if later { "; `backup create --incremental` covers what has happened since" } else { "" };
    let told: Vec<_> = ranges.iter().rev().take(MAX_TOLD).rev().map(Range::to_string).collect();
    let covered = if told.is_empty() { "no moment".to_owned() } else { told.join(", and ") };
    NotCovered { covered, more }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::catalogue::Found;
    use crate::backup::digest::Digest;
    use crate::backup::id::BackupId;
    use crate::backup::manifest::{Completeness, FORMAT, History, Manifest};
    use crate::backup::pack::{Compression, Method};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).expect("a time")
    }

    /// Full backups of these moments (`since`, `records`, `until`); each follows the one of that place.
    fn catalogue(backups: &[(i64, i64, i64, Option<usize>)]) -> Catalogue {
        let mut catalogue = Catalogue::default();
        for (place, (since, records, until, follows)) in backups.iter().enumerate() {
            let follows = follows.and_then(|place| match &catalogue.found[place] {
                Found::Whole(whole) => Some(Parent { id: whole.manifest.id, digest: whole.digest }),
                _ => None,
            });
            let covers = Covers { history: History(1), since: at(*since), records: at(*records), until: at(*until) };
            let manifest = Manifest {
                format: FORMAT,
                world: "test".to_owned(),
                id: BackupId::new(at(*since), place as u32),
                kind: Completeness::Full,
                parent: None,
                created: at(*since),
                finished: at(*until),
                compression: Compression { method: Method::Gzip, level: 9 },
                covers: Some(covers),
                follows,
                players: 0,
                journal: Vec::new(),
                files: Vec::new(),
            };
            let digest = Digest::of(&[place as u8]);
            catalogue.found.push(Found::Whole(Box::new(Whole { manifest, digest })));
        }
        catalogue
    }

    fn places(catalogue: &Catalogue, moment: i64) -> Option<Vec<u32>> {
        let plan = Plan::at(catalogue, at(moment)).ok()?;
        let place = |backup: &&Whole| catalogue.whole().position(|whole| whole == *backup).expect("it is there") as u32;
        assert_eq!(plan.chain.first().map(&place), plan.log.first().map(&place));
        Some(plan.log.iter().map(place).collect())
    }

    #[test]
    fn a_moment_needs_the_newest_records_before_it_and_the_log_up_to_it() {
        let catalogue = catalogue(&[(0, 2, 3, None), (10, 12, 13, Some(0)), (20, 22, 23, Some(1))]);
        assert_eq!(places(&catalogue, 1), None, "no records are so old");
        assert_eq!(places(&catalogue, 2), Some(vec![0]));
        assert_eq!(places(&catalogue, 3), Some(vec![0]));
        assert_eq!(places(&catalogue, 11), Some(vec![0, 1]), "while the second was made");
        assert_eq!(places(&catalogue, 12), Some(vec![1]));
        assert_eq!(places(&catalogue, 19), Some(vec![1, 2]));
        assert_eq!(places(&catalogue, 24), None);
        let said = Plan::at(&catalogue, at(24)).expect_err("later than everything").to_string();
        assert!(said.contains(&format!("from {} to {}", at(2), at(23))) && said.contains("--incremental"), "{said}");
    }

    #[test]
    fn nothing_leads_across_a_gap() {
        let catalogue = catalogue(&[(0, 2, 3, None), (10, 12, 13, None), (20, 22, 23, Some(1))]);
        assert_eq!(places(&catalogue, 5), None);
        assert_eq!(places(&catalogue, 15), Some(vec![1, 2]));
        let said = Plan::at(&catalogue, at(5)).expect_err("in the gap").to_string();
        let ranges = format!("from {} to {}, and from {} to {}", at(2), at(3), at(12), at(23));
        assert!(said.contains(&ranges) && !said.contains("--incremental"), "{said}");
    }

    #[test]
    fn backups_of_before_there_were_moments_are_restored_as_they_are() {
        let mut catalogue = catalogue(&[(0, 2, 3, None)]);
        let Some(Found::Whole(whole)) = catalogue.found.first_mut() else { panic!("it is there") };
        whole.manifest.covers = None;
        let plan = Plan::of(catalogue.whole().collect());
        assert_eq!((plan.chain.len(), plan.log.len()), (1, 0));
        let said = Plan::at(&catalogue, at(5)).expect_err("it does not say").to_string();
        assert!(said.contains("no moment"), "{said}");
    }
}
