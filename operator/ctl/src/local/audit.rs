//! What must hold in the store and in the zones' counts once a run is over and nothing moves any more.

use std::collections::BTreeMap;

use darkages_checker::{History, Holdings, Judgement, Scope, judge};
use darkages_server::Play;
use darkages_server::stats::Totals;
use darkages_sim::{DefaultGame, PlayerState};
use darkages_store::{Store, StoreError, limits};
use darkages_topology::{PlayerId, Topology};

use super::report::Report;

/// Violations of one kind that are told one by one; the rest is counted.
const MAX_TOLD: usize = 8;

/// Checks the owner records: no handoff was left open (I2), every state can be read (I10). Says what everybody has. A player who
/// left is owned by the shard where that happened, whether or not it is still on the map; whoever owns the ground then
/// claims the record.
pub async fn owners(store: &dyn Store, report: &mut Report) -> Result<BTreeMap<PlayerId, Holdings>, StoreError> {
    let mut told = Told::default();
    let mut all = BTreeMap::new();
    let mut after = None;
    loop {
        let page = store.scan_owners(after, limits::MAX_PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        for (player, record) in &page {
            if let Some(open) = &record.open {
                told.violated(report, "I2", || format!("handoff {} of {player} was left open", open.id));
            }
            let Ok(state) = PlayerState::decode(&record.data.state) else {
                told.violated(report, "I10", || format!("the stored state of {player} cannot be read"));
                continue;
            };
            let (gold, items) = DefaultGame::belongings(&state.character);
            all.insert(*player, Holdings { gold, items: items.into_iter().collect() });
        }
    }
    told.rest(report);
    Ok(all)
}

/// Checks what everybody has in the store by what the bots asked for, were told and saw (I3, I10). In a world that is kept
/// others may have had dealings with them. Bots kill nobody, so nothing comes from loot.
pub fn belongings(history: &History, stored: &BTreeMap<PlayerId, Holdings>, alone: bool, report: &mut Report) {
    report.gold_compared = alone && stored.len() == history.first().len();
    let scope = if report.gold_compared { Scope::Closed } else { Scope::Open };
    let Judgement { gold_before, gold_after, acked_lost, acked_duplicated, items_duplicated, reads, findings, .. } =
        judge(history, stored, scope);
    (report.gold_before, report.gold_after) = (gold_before, gold_after);
    (report.acked_lost, report.acked_duplicated) = (acked_lost, acked_duplicated);
    (report.items_duplicated, report.reads) = (items_duplicated, reads);
    for finding in findings {
        report.violated(finding.fault.invariant(), finding.evidence);
    }
}

/// Violations told so far, by invariant.
#[derive(Default)]
struct Told(BTreeMap<&'static str, usize>);

impl Told {
    fn violated(&mut self, report: &mut Report, invariant: &'static str, evidence: impl FnOnce() -> String) {
        let count = self.0.entry(invariant).or_default();
        *count += 1;
        if *count <= MAX_TOLD {
            report.violated(invariant, evidence());
        }
    }

    fn rest(self, report: &mut Report) {
        for (invariant, count) in self.0.into_iter().filter(|(_, count)| *count > MAX_TOLD) {
            report.violated(invariant, format!("{} more records like these", count - MAX_TOLD));
        }
    }
}

/// Checks what the zones counted of themselves.
pub fn totals(totals: &[Totals], report: &mut Report) {
    let faults: u64 = totals.iter().map(|zone| zone.faults).sum();
    if faults > 0 {
        report.violated("I1", format!("the handoff machines refused {faults} steps that break their rules"));
    }
    let duplicated: u64 = totals.iter().map(|zone| zone.inputs_duplicated).sum();
    if duplicated > 0 {
        report.violated("I4", format!("zones applied {duplicated} inputs twice"));
    }
}

/// Checks a map that was written (I8). The type allows no other; this is what looks again.
pub fn map(map: &Topology, report: &mut Report) {
    if let Err(error) = map.validate() {
        report.violated("I8", format!("{}: {error}", map.revision()));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use darkages_sim::default_game::Rules;
    use darkages_sim::{World, WorldConfig};
    use darkages_store::{Acquired, Embedded, Expect, OwnerRecord, PlayerData, Swap, Swapped};
    use darkages_topology::{Position, Rect, ShardEpoch, ShardId, ZoneId};

    use super::*;

    const SHARD: ShardId = ShardId(1);

    /// A store with the states that `make` makes of players 1 and 2 as the game lets them begin.
    fn audited(make: impl Fn([PlayerState<darkages_sim::default_game::Character>; 2]) -> [Vec<u8>; 2]) -> Report {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Embedded::open(&folder.path().join("world.redb"), "test").expect("a store");
        let bounds = Rect::from_metres(0.0, 0.0, 100.0, 100.0).expect("bounds");
        let (rules, epoch) = (Rules::default(), ShardEpoch(1));
        let config = WorldConfig { bounds, ground: bounds, shard: SHARD, epoch, seed: 1, rules };
        let mut world = World::<DefaultGame>::new(config).expect("a world");
        let begin = |player| world.new_player(PlayerId(player), Position::from_metres(5, 5)).expect("an id is left");
        let begun = [1, 2].map(begin);
        let mut history = History::default();
        for (player, state) in (1..).zip(&begun) {
            let (gold, items) = DefaultGame::belongings(&state.character);
            let has = Holdings { gold, items: items.into_iter().collect() };
            history.saw(PlayerId(player), Duration::ZERO, has);
        }
        let states = make(begun);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut report = Report::default();
        runtime.block_on(async {
            let acquired = store.acquire(SHARD, &ZoneId("zone".into()), Duration::from_secs(1)).await;
            let Ok(Acquired::Granted(lease)) = acquired else { panic!("{acquired:?}") };
            let swaps = (1..).zip(states).map(|(player, state)| {
                let next = OwnerRecord::created(SHARD, PlayerData { state, ..PlayerData::default() });
                Swap { player: PlayerId(player), expect: Expect::Absent, next }
            });
            let swapped = store.swap(lease.fence, swaps.collect()).await.expect("swaps");
            assert_eq!(swapped, [Swapped::Done, Swapped::Done]);
            let stored = owners(&store, &mut report).await.expect("an audit");
            belongings(&history, &stored, true, &mut report);
            store.close().await.expect("it closes");
        });
        report
    }

    fn encode(state: &PlayerState<darkages_sim::default_game::Character>) -> Vec<u8> {
        darkages_sim::codec::encode(state).expect("a state has bytes")
    }

    fn broken(report: &Report) -> Vec<&str> {
        report.violations.iter().map(|violation| violation.invariant.as_str()).collect()
    }

    #[test]
    fn a_world_in_order_breaks_nothing() {
        let report = audited(|states| states.map(|state| encode(&state)));
        assert_eq!((broken(&report), report.gold_after, report.gold_compared), (vec![], 200, true));
    }

    #[test]
    fn an_item_that_two_have_is_found() {
        let report = audited(|[one, mut other]| {
            other.character.items[0] = one.character.items[0];
            [encode(&one), encode(&other)]
        });
        // The item that the other had before is gone, too.
        assert_eq!(broken(&report), ["I10", "I3", "I3"]);
        assert!(report.violations[1].evidence.contains("with p1 and with p2"), "{report:?}");
    }

    #[test]
    fn gold_that_came_from_nowhere_and_states_that_cannot_be_read_are_found() {
        let report = audited(|[mut one, _]| {
            one.character.gold += 1;
            [encode(&one), vec![0xff; 9]]
        });
        assert_eq!(broken(&report), ["I10", "I10", "I3"]);
    }
}
