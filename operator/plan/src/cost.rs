//! What a shard costs: cost = a·players + b·views + c·ghosts, the time of one tick.
//!
//! Each zone reports how long the stages of its ticks took and how much it had to do; the coefficients follow from that, so
//! that a forecast speaks of the machine and the game that run now.

use std::time::Duration;

use serde::Serialize;

/// What one zone's ticks consisted of, averaged over its last report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TickBreakdown {
    /// Players that it simulated.
    pub players: u32,
    /// Observer–target pairs within sight.
    pub views: u64,
    /// Ghosts that it kept.
    pub ghosts: u32,
    /// Time a tick on what each player costs: receiving, validating, simulating, checkpointing.
    pub player_time: Duration,
    /// Time a tick on what each view costs: interest, choosing, encoding, sending.
    pub view_time: Duration,
    /// Time a tick on what each ghost costs: border frames in and out.
    pub ghost_time: Duration,
}

impl TickBreakdown {
    /// Stages of a tick by what they grow with: `time` tells the mean time of `inputs`, `simulate`, `replicate` and `send`.
    /// Ghosts come and go within those of players and views and have no time of their own.
    #[must_use]
    pub fn of_stages(players: u32, views: u64, ghosts: u32, time: impl Fn(&str) -> Duration) -> Self {
        Self {
            players,
            views,
            ghosts,
            player_time: time("inputs") + time("simulate"),
            view_time: time("replicate") + time("send"),
            ghost_time: Duration::ZERO,
        }
    }
}

/// The coefficients, in microseconds of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CostModel {
    /// Cost of a player.
    pub player_us: f64,
    /// Cost of an observer–target pair, averaged over the ticks with and without a snapshot.
    pub view_us: f64,
    /// Cost of a ghost.
    pub ghost_us: f64,
}

/// Fewer reports than this say too little to replace a coefficient.
const MIN_REPORTS: usize = 8;

impl Default for CostModel {
    /// Rounded up from what the parts cost on one core of a 2-core cloud machine: opening and applying one sealed input a
    /// tick about 3 µs and a system call shared by a batch; a delta record of about 6 bytes about 90 ns, written in one
    /// tick of three; a ghost one record in and a look-up. The first fit replaces them.
    fn default() -> Self {
        Self { player_us: 5.0, view_us: 0.03, ghost_us: 0.5 }
    }
}

impl CostModel {
    /// The coefficients that explain these reports best: for each stage the least-squares line through the origin of its
    /// time over its amount. Stages are fitted one by one, because shards of a world are so much alike (views grow with
    /// players) that a joint fit of the whole tick would divide the time among them at random. A stage that the reports say
    /// nothing about keeps the coefficient of `prior`.
    #[must_use]
    pub fn fit(prior: Self, reports: &[TickBreakdown]) -> Self {
        let line = |amount: fn(&TickBreakdown) -> f64, time: fn(&TickBreakdown) -> Duration, prior: f64| {
            let telling = reports.iter().filter(|report| amount(report) > 0.0);
            let (count, products, squares) = telling.fold((0, 0.0, 0.0), |(count, products, squares), report| {
                let (amount, micros) = (amount(report), time(report).as_secs_f64() * 1e6);
                (count + 1, products + amount * micros, squares + amount * amount)
            });
            if count < MIN_REPORTS { prior } else { products / squares }
        };
        Self {
            player_us: line(|report| f64::from(report.players), |report| report.player_time, prior.player_us),
            view_us: line(|report| report.views as f64, |report| report.view_time, prior.view_us),
            ghost_us: line(|report| f64::from(report.ghosts), |report| report.ghost_time, prior.ghost_us),
        }
    }

    /// Predicted time of a tick in milliseconds, to the microsecond.
    #[must_use]
    pub fn tick_ms(&self, players: u32, views: u64, ghosts: u32) -> f64 {
        let micros =
            self.player_us * f64::from(players) + self.view_us * views as f64 + self.ghost_us * f64::from(ghosts);
        micros.round() / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(players: u32, ghosts: u32, model: CostModel) -> TickBreakdown {
        let views = u64::from(players) * u64::from(players + ghosts);
        TickBreakdown {
            players,
            views,
            ghosts,
            player_time: Duration::from_secs_f64(model.player_us * f64::from(players) * 1e-6),
            view_time: Duration::from_secs_f64(model.view_us * views as f64 * 1e-6),
            ghost_time: Duration::from_secs_f64(model.ghost_us * f64::from(ghosts) * 1e-6),
        }
    }

    #[test]
    fn a_fit_finds_the_coefficients_that_made_the_reports() {
        let truth = CostModel { player_us: 12.5, view_us: 0.2, ghost_us: 3.0 };
        let reports: Vec<_> = (1..=10).map(|n| report(50 * n, 7 * n, truth)).collect();
        let found = CostModel::fit(CostModel::default(), &reports);
        for (found, truth) in
            [(found.player_us, truth.player_us), (found.view_us, truth.view_us), (found.ghost_us, truth.ghost_us)]
        {
            assert!((found - truth).abs() < truth * 0.001, "{found} is not {truth}");
        }
    }

    #[test]
    fn what_the_reports_say_nothing_about_keeps_its_coefficient() {
        let prior = CostModel::default();
        let without_ghosts: Vec<_> =
            (1..=10).map(|n| report(n, 0, CostModel { player_us: 2.0, view_us: 1.0, ghost_us: 9.0 })).collect();
        assert_eq!(CostModel::fit(prior, &without_ghosts).ghost_us, prior.ghost_us);
        assert_eq!(CostModel::fit(prior, &without_ghosts[..MIN_REPORTS - 1]), prior);
        assert_eq!(CostModel::fit(prior, &[TickBreakdown::default(); 20]), prior);
    }

    #[test]
    fn a_forecast_is_the_sum_of_its_parts() {
        let model = CostModel { player_us: 10.0, view_us: 0.5, ghost_us: 2.0 };
        assert_eq!(model.tick_ms(100, 1000, 50), 1.6);
    }
}
