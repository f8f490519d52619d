//! When a zone is frozen, which one, and when it wakes up. Pure; time is passed in.

use std::time::Duration;

use darkages_plan::Look;
use darkages_server::config::LEASE;
use darkages_topology::ZoneEndpoint;
use rand::SeedableRng;
use rand::seq::IteratorRandom as _;
use rand_pcg::Pcg64Mcg;

use super::terms::Terms;
use crate::exit::BadInput;

/// Times between two freezes.
const EVERY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3_600)];

/// Lengths of a freeze.
const LASTS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(60)];

/// What is frozen, as `--freeze` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreezePlan {
    /// Time from one freeze to the next.
    pub every: Duration,
    /// How long each lasts; shorter than that time.
    pub lasts: Duration,
}

impl FreezePlan {
    /// Reads `zone:every=15s,for=3s`.
    ///
    /// # Errors
    /// What is wrong with it, and the fix.
    pub fn parse(text: &str) -> Result<Self, BadInput> {
        let terms = Terms::read("--freeze", text, &["every", "for"], "zone:every=15s,for=3s")?;
        let every = terms.time("every", EVERY[0], EVERY[1])?;
        let lasts = terms.time("for", LASTS[0], LASTS[1])?;
        if lasts >= every {
            return Err(terms.bad("give a longer time for every than for for"));
        }
        Ok(Self { every, lasts })
    }

    /// Whether a frozen zone may lose its lease, of which a busy one may have used up half when it freezes.
    pub fn outlasts_leases(&self) -> bool {
        self.lasts > LEASE / 2
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frost {
    /// Freeze this zone.
    Freeze(ZoneEndpoint),
    /// Let it go on.
    Thaw(ZoneEndpoint),
}

/// Decides which zone is frozen next. One at a time.
#[derive(Debug)]
pub struct Freezer {
    plan: FreezePlan,
    next: Duration,
    frozen: Option<(ZoneEndpoint, Duration)>,
    rng: Pcg64Mcg,
}

impl Freezer {
    /// A freezer whose choices depend on the seed, and who begins one period after `now`.
    pub fn new(plan: FreezePlan, seed: u64, now: Duration) -> Self {
        Self { plan, next: now + plan.every, frozen: None, rng: Pcg64Mcg::seed_from_u64(seed) }
    }

    /// What to do now.
    pub fn step(&mut self, now: Duration, looks: &[Look]) -> Option<Frost> {
        if let Some((zone, _)) = self.frozen.take_if(|(_, until)| now >= *until) {
            return Some(Frost::Thaw(zone));
        }
        if now < self.next || self.frozen.is_some() {
            return None;
        }
        let victim = looks.iter().filter(|look| look.serves_players()).choose(&mut self.rng)?.endpoint.clone();
        self.next = now + self.plan.every;
        self.frozen = Some((victim.clone(), now + self.plan.lasts));
        Some(Frost::Freeze(victim))
    }

    /// Whoever is frozen, to be let go on.
    pub fn cease(self) -> Option<ZoneEndpoint> {
        self.frozen.map(|(zone, _)| zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_read_and_others_refused() {
        let plan = FreezePlan::parse("zone:every=15s,for=700ms").expect("good terms");
        assert_eq!(plan, FreezePlan { every: Duration::from_secs(15), lasts: Duration::from_millis(700) });
        assert!(!plan.outlasts_leases());
        assert!(FreezePlan::parse("zone:for=3s,every=15s").expect("good terms").outlasts_leases());
        for text in ["", "zone:every=15s", "zone:for=3s", "zone:every=3s,for=3s", "zone:every=15s,for=61s", "every=15s"]
        {
            let complaint = FreezePlan::parse(text).expect_err("it must be refused").to_string();
            assert!(complaint.starts_with("--freeze is") && complaint.lines().count() == 1, "{complaint}");
        }
    }
}
