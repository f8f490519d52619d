//! The state `StoreDegraded` of a run: when a tier of the store does not answer a zone, and for how long. Pure; time is passed in.

use std::collections::BTreeSet;
use std::time::Duration;

use darkages_plan::Look;

/// How often the store was away from zones, and for how long in all.
#[derive(Debug, Default)]
pub struct Degraded {
    since: Option<Duration>,
    /// Times that are over.
    lasted: Duration,
    times: u64,
}

impl Degraded {
    /// Takes in a look at the zones; says so when the state begins or ends.
    pub fn note(&mut self, now: Duration, looks: &[Look]) -> Option<String> {
        let away: BTreeSet<&str> = looks.iter().flat_map(|look| &look.store_away).map(String::as_str).collect();
        match (self.since, away.is_empty()) {
            (None, false) => {
                self.since = Some(now);
                self.times += 1;
                let tiers: Vec<&str> = away.into_iter().collect();
                Some(format!("StoreDegraded: {} does not answer; zones play on", tiers.join(" and ")))
            }
            (Some(since), true) => {
                self.since = None;
                let lasted = now.saturating_sub(since);
                self.lasted += lasted;
                Some(format!("the store answers again after {:.1} s", lasted.as_secs_f64()))
            }
            _ => None,
        }
    }

    /// How often it began.
    pub const fn times(&self) -> u64 {
        self.times
    }

    /// The run is over, and with it the state.
    pub fn end(&mut self, now: Duration) {
        self.lasted += self.since.take().map_or(Duration::ZERO, |since| now.saturating_sub(since));
    }

    /// How long the times that are over lasted in all.
    pub const fn lasted(&self) -> Duration {
        self.lasted
    }
}

#[cfg(test)]
mod tests {
    use darkages_topology::{ZoneEndpoint, ZoneId};

    use super::*;

    #[test]
    fn each_time_is_told_when_it_begins_and_when_it_ends() {
        let at = Duration::from_millis;
        let mut degraded = Degraded::default();
        let zone = |name: &str| ZoneEndpoint {
            zone: ZoneId(name.into()),
            address: ([127, 0, 0, 1], 1).into(),
            public_key: [0; 32],
        };
        let (fine, mut cut_off) = (Look::standby(zone("a")), Look::standby(zone("b")));
        cut_off.store_away = vec!["redis".into()];
        assert_eq!(degraded.note(at(100), std::slice::from_ref(&fine)), None);
        let told = degraded.note(at(200), &[fine.clone(), cut_off.clone()]).expect("it begins");
        assert!(told.contains("redis does not answer"), "{told}");
        assert_eq!(degraded.note(at(900), std::slice::from_ref(&cut_off)), None);
        let told = degraded.note(at(1_700), &[fine]).expect("it ends");
        assert!(told.contains("after 1.5 s"), "{told}");
        assert_eq!((degraded.times(), degraded.lasted()), (1, at(1_500)));
        assert!(degraded.note(at(5_000), &[cut_off]).is_some());
        degraded.end(at(5_200));
        assert_eq!((degraded.times(), degraded.lasted()), (2, at(1_700)));
    }
}
