//! Kills and freezes zone processes on purpose, and notices those that end though nobody wanted it.

use std::collections::BTreeSet;
use std::time::Duration;

use darkages_plan::Look;
use darkages_topology::{Topology, ZoneId};

use super::freezes::{Freezer, Frost};
use super::kills::{Deed, Killer, Shot};
use super::options::Options;
use super::pool::Pool;
use super::progress::Progress;
use super::report::Report;

/// Name of a kill at a random moment, in the report.
const AT_RANDOM: &str = "random";

/// What is done to the zones of a run.
#[derive(Debug, Default)]
pub struct Chaos {
    killer: Option<Killer>,
    freezer: Option<Freezer>,
    /// Zones that were killed, or were told to crash, and nobody else may.
    doomed: BTreeSet<ZoneId>,
}

impl Chaos {
    /// Begins with what the flags ask for.
    pub fn begin(&mut self, options: &Options, now: Duration) {
        self.killer = options.kill.clone().map(|plan| Killer::new(plan, options.seed, now));
        self.freezer = options.freeze.map(|plan| Freezer::new(plan, options.seed, now));
    }

    /// Does what is due.
    pub fn step(
        &mut self,
        now: Duration,
        looks: &[Look],
        map: &Topology,
        pool: &mut Pool,
        (report, progress): (&mut Report, &Progress),
    ) {
        for zone in pool.take_ended() {
            if self.doomed.remove(&zone) {
                report.kills += 1;
                progress.say(&format!("killed {zone}"));
            } else {
                report.violated("alive", format!("{zone} ended by itself"));
            }
        }
        let deeds = self.killer.as_mut().map(|killer| killer.step(now, looks, map)).unwrap_or_default();
        for deed in deeds {
            self.carry_out(deed, pool, report, progress);
        }
        match self.freezer.as_mut().and_then(|freezer| freezer.step(now, looks)) {
            Some(Frost::Freeze(zone)) if pool.freeze(&zone) => {
                report.freezes += 1;
                progress.say(&format!("froze {}", zone.zone));
            }
            Some(Frost::Thaw(zone)) => pool.thaw(&zone),
            Some(Frost::Freeze(_)) | None => {}
        }
    }

    /// Whether all kills that were asked for lie so long back.
    pub fn is_over(&self, now: Duration, since: Duration) -> bool {
        self.killer.as_ref().and_then(Killer::done_since).is_some_and(|done| now >= done + since)
    }

    /// Does nothing any more, and lets whoever is frozen go on.
    pub fn cease(&mut self, pool: &Pool) {
        for zone in self.killer.take().map(Killer::cease).unwrap_or_default() {
            pool.call_off(&zone);
        }
        if let Some(zone) = self.freezer.take().and_then(Freezer::cease) {
            pool.thaw(&zone);
        }
    }

    fn carry_out(&mut self, deed: Deed, pool: &mut Pool, report: &mut Report, progress: &Progress) {
        let mut count = |shot: Option<Shot>| {
            let label = shot.map_or_else(|| AT_RANDOM.to_owned(), Shot::label);
            progress.say(&format!("kill landed: {label}"));
            *report.kills_by.entry(label).or_default() += 1;
        };
        match deed {
            Deed::Kill(zone) => {
                if pool.kill(&zone) {
                    self.doomed.insert(zone.zone);
                    count(None);
                }
            }
            Deed::Order { zone, order, partner } => {
                pool.order(&zone, order, partner.as_ref());
                self.doomed.extend([Some(zone), partner].into_iter().flatten().map(|zone| zone.zone));
            }
            Deed::CallOff(zone) => pool.call_off(&zone),
            Deed::Landed(shot) => count(Some(shot)),
            Deed::Missed(shot) => {
                progress.say(&format!("kill missed: {}", shot.label()));
                *report.kills_missed.entry(shot.label()).or_default() += 1;
            }
        }
    }
}
