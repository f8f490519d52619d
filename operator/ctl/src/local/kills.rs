//! When a zone is killed, and which one. Pure; time is passed in.

use std::time::Duration;

use darkages_topology::ZoneEndpoint;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::zones::{Life, Look};
use crate::exit::BadInput;

/// Shortest time between two kills: less leaves no time to come back.
const LEAST_EVERY: Duration = Duration::from_secs(1);

/// Longest time between two kills.
const MOST_EVERY: Duration = Duration::from_secs(3_600);

/// What is killed, as `--kill` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KillPlan {
    /// Time from one kill to the next.
    pub every: Duration,
}

impl KillPlan {
    /// Reads `zone:every=10s`.
    ///
    /// # Errors
    /// What is wrong with it, and the fix.
    pub fn parse(text: &str) -> Result<Self, BadInput> {
        let bad = || BadInput::new(format!("--kill is {text:?}: give zone:every=SECONDSs, like zone:every=10s"));
        let seconds = text.strip_prefix("zone:every=").and_then(|rest| rest.strip_suffix('s')).ok_or_else(bad)?;
        let every = seconds.parse::<u64>().map(Duration::from_secs).map_err(|_| bad())?;
        if !(LEAST_EVERY..=MOST_EVERY).contains(&every) {
            let (least, most) = (LEAST_EVERY.as_secs(), MOST_EVERY.as_secs());
            return Err(BadInput::new(format!("--kill is {text:?}: give every={least}s to every={most}s")));
        }
        Ok(Self { every })
    }
}

/// Decides which zone is killed next.
#[derive(Debug)]
pub struct Killer {
    plan: KillPlan,
    next: Duration,
    rng: Pcg64Mcg,
}

impl Killer {
    /// A killer whose choices depend on the seed, and who begins one period after `now`.
    pub fn new(plan: KillPlan, seed: u64, now: Duration) -> Self {
        Self { plan, next: now + plan.every, rng: Pcg64Mcg::seed_from_u64(seed) }
    }

    /// The zone to kill now, one of those that serve players; nobody while it is not time, or none does.
    pub fn victim<'a>(&mut self, now: Duration, looks: &'a [Look]) -> Option<&'a ZoneEndpoint> {
        if now < self.next {
            return None;
        }
        let serves = |look: &&Look| look.life == Life::Serving && !look.handles.is_empty();
        let serving: Vec<&Look> = looks.iter().filter(serves).collect();
        if serving.is_empty() {
            return None;
        }
        self.next = now + self.plan.every;
        Some(&serving[self.rng.random_range(0..serving.len())].endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_and_others_refused() {
        assert_eq!(KillPlan::parse("zone:every=10s").ok(), Some(KillPlan { every: Duration::from_secs(10) }));
        for text in
            ["", "zone", "zone:every=10", "zone:every=0s", "zone:every=-1s", "store:every=1s", "zone:every=3601s"]
        {
            let complaint = KillPlan::parse(text).expect_err("it must be refused").to_string();
            assert!(complaint.starts_with("--kill is"), "{complaint}");
        }
    }
}
