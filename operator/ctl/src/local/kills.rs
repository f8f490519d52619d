//! What `--kill` asks for: zones are killed at random moments, or at named points of what they do. Pure.

mod killer;

use std::time::Duration;

use darkages_server::handoff::{CrashPoint, Side};

pub use self::killer::{Deed, Killer};
use super::terms::Terms;
use crate::exit::BadInput;

/// Shortest time between two kills: less leaves no time to come back.
const LEAST_EVERY: Duration = Duration::from_secs(1);

/// Longest time between two kills.
const MOST_EVERY: Duration = Duration::from_secs(3_600);

const LIKE: &str = "zone:every=10s, and if you want at=POINT or at=any, side=SIDE and rounds=N, behind commas";

/// All sides, where one zone is killed.
const ALONE: &str = "giver+taker+trade+shard";

/// All sides.
const ANY: &str = "giver+taker+trade+shard+both";

/// Rounds through the points, at most.
const MOST_ROUNDS: usize = 1_000;

/// What is killed, as `--kill` says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KillPlan {
    /// Time from one kill to the next.
    pub every: Duration,
    /// Where, in turn, again and again; nothing means at random moments.
    pub shots: Vec<Shot>,
    /// How often each of them is tried before the run ends; `None` as often as there is time.
    pub rounds: Option<usize>,
}

/// A kill at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shot {
    /// The point.
    pub point: CrashPoint,
    /// Whether the other side of the same handoff is killed in the same moment.
    pub both: bool,
}

impl Shot {
    /// Its name in reports.
    pub fn label(self) -> String {
        let Self { point, both } = self;
        format!("{}{}", point.label(), if both { ",both" } else { "" })
    }
}

impl KillPlan {
    /// Reads `zone:every=10s,at=committed,side=both` and the like.
    ///
    /// # Errors
    /// What is wrong with it, and the fix.
    pub fn parse(text: &str) -> Result<Self, BadInput> {
        let terms = Terms::read("--kill", text, &["every", "at", "side", "rounds"], LIKE)?;
        let every = terms.time("every", LEAST_EVERY, MOST_EVERY)?;
        let shots = match terms.get("at") {
            None if terms.get("side").or(terms.get("rounds")).is_some() => {
                return Err(terms.bad("give at=POINT or at=any with side and rounds"));
            }
            None => Vec::new(),
            Some(at) => shots(at, terms.get("side")).map_err(|fix| terms.bad(fix))?,
        };
        let count = |text: &str| text.parse().ok().filter(|rounds| (1..=MOST_ROUNDS).contains(rounds));
        let rounds = match terms.get("rounds").map(count) {
            Some(None) => return Err(terms.bad(format_args!("give rounds=1 to rounds={MOST_ROUNDS}"))),
            rounds => rounds.flatten(),
        };
        Ok(Self { every, shots, rounds })
    }
}

/// The kills that `at` and `side` stand for.
fn shots(at: &str, sides: Option<&str>) -> Result<Vec<Shot>, String> {
    let mut shots = Vec::new();
    // A point that is named alone is of one side.
    let default = if at == "any" { ANY } else { ALONE };
    for side in sides.unwrap_or(default).split('+') {
        shots.extend(of(side).ok_or_else(|| format!("give side=giver, taker, both, trade or shard, or {ANY}"))?);
    }
    if at == "any" {
        return Ok(shots);
    }
    let labels: Vec<_> = shots.iter().map(|shot| shot.point.label()).collect();
    let unknown = format!("give at=any or at one of {}", labels.join(", "));
    shots.retain(|shot| shot.point.label() == at);
    if shots.is_empty() { Err(unknown) } else { Ok(shots) }
}

/// The kills of one side.
fn of(side: &str) -> Option<Vec<Shot>> {
    let (is_of, both): (fn(CrashPoint) -> bool, bool) = match side {
        "giver" => (|point| point.side() == Side::Giver, false),
        "taker" => (|point| point.side() == Side::Taker, false),
        "trade" => (|point| point.side() == Side::Transaction, false),
        "shard" => (|point| point.side() == Side::Shard, false),
        // Where the giver is dead already, both are killed anyway.
        "both" => (|point| matches!(point.side(), Side::Giver | Side::Taker) && point.after().is_none(), true),
        _ => return None,
    };
    let points = CrashPoint::ALL.into_iter().filter(|point| is_of(*point));
    Some(points.map(|point| Shot { point, both }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> KillPlan {
        KillPlan::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn periods_are_read_and_others_refused() {
        let ten = Duration::from_secs(10);
        assert_eq!(plan("zone:every=10s"), KillPlan { every: ten, shots: Vec::new(), rounds: None });
        for text in
            ["", "zone", "zone:every=10", "zone:every=0s", "zone:every=-1s", "store:every=1s", "zone:every=3601s"]
        {
            let complaint = KillPlan::parse(text).expect_err("it must be refused").to_string();
            assert!(complaint.starts_with("--kill is"), "{complaint}");
        }
    }

    #[test]
    fn points_and_sides_are_read() {
        let committed = CrashPoint::Committed;
        assert_eq!(plan("zone:every=1s,at=committed").shots, [Shot { point: committed, both: false }]);
        assert_eq!(plan("zone:at=committed,every=1s,side=giver").shots, [Shot { point: committed, both: false }]);
        assert_eq!(plan("zone:every=1s,at=committed,side=both").shots, [Shot { point: committed, both: true }]);
        assert_eq!(plan("zone:every=1s,at=any,side=taker").shots.len(), 6);
        assert_eq!(plan("zone:every=1s,at=any,side=trade+shard").shots.len(), 6);
        let all = plan("zone:every=1s,at=any").shots;
        let (both, alone): (Vec<&Shot>, Vec<&Shot>) = all.iter().partition(|shot| shot.both);
        assert_eq!((alone.len(), both.len()), (CrashPoint::ALL.len(), 12));
    }

    #[test]
    fn bad_points_and_sides_are_named_in_one_line_that_lists_what_there_is() {
        let complaint = |text: &str| KillPlan::parse(text).expect_err("it must be refused").to_string();
        let points = complaint("zone:every=1s,at=commit");
        assert!(points.contains("at one of prepare-sent, redirect-sent,") && points.ends_with("emptied"), "{points}");
        let takers = complaint("zone:every=1s,at=committed,side=taker");
        assert!(takers.ends_with("prepared, client-attached, commit-known, release-received, taken-over, closed"));
        let sides = complaint("zone:every=1s,at=any,side=all");
        assert!(
            sides.ends_with("give side=giver, taker, both, trade or shard, or giver+taker+trade+shard+both"),
            "{sides}"
        );
        assert!(complaint("zone:every=1s,side=both").ends_with("give at=POINT or at=any with side and rounds"));
        assert!(complaint("zone:every=1s,at=done,rounds=0").ends_with("give rounds=1 to rounds=1000"));
        assert_eq!(plan("zone:every=1s,at=done,rounds=2").rounds, Some(2));
        assert!(complaint("zone:every=1s,every=2s").contains("give zone:every=10s"));
        assert!([points, takers].iter().all(|text| text.lines().count() == 1));
    }
}
