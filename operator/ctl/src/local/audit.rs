//! What must hold in the store and in the zones' counts once a run is over and nothing moves any more.

use std::collections::BTreeMap;

use darkages_server::Play;
use darkages_server::stats::Totals;
use darkages_sim::{DefaultGame, PlayerState};
use darkages_store::{Store, StoreError, limits};
use darkages_topology::{EntityId, PlayerId, Topology};

use super::report::Report;

/// Violations of one kind that are told one by one; the rest is counted.
const MAX_TOLD: usize = 8;

/// Checks the owner records: no handoff was left open (I2), no item is held by two players (I3), every state can be read. Says
/// how many there are. A player who left is owned by the shard where that happened, whether or not it is still on the map;
/// whoever owns the ground then claims the record.
pub async fn owners(store: &dyn Store, report: &mut Report) -> Result<usize, StoreError> {
    let mut wrong = Vec::new();
    let mut holders: BTreeMap<EntityId, PlayerId> = BTreeMap::new();
    let mut players = 0;
    report.gold_stored = 0;
    let mut after = None;
    loop {
        let page = store.scan_owners(after, limits::MAX_PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        players += page.len();
        for (player, record) in &page {
            if let Some(open) = &record.open {
                wrong.push(("I2", format!("handoff {} of {player} was left open", open.id)));
            }
            let Ok(state) = PlayerState::decode(&record.data.state) else {
                wrong.push(("I10", format!("the stored state of {player} cannot be read")));
                continue;
            };
            let (gold, items) = DefaultGame::belongings(&state.character);
            report.gold_stored += gold;
            for item in items {
                if let Some(other) = holders.insert(item, *player) {
                    wrong.push(("I3", format!("the store has item {item} with {other} and with {player}")));
                }
            }
        }
    }
    let untold = wrong.len().saturating_sub(MAX_TOLD);
    for (invariant, evidence) in wrong.into_iter().take(MAX_TOLD) {
        report.violated(invariant, evidence);
    }
    if untold > 0 {
        report.violated("more", format!("{untold} more such records"));
    }
    Ok(players)
}

/// Checks that bots own as much gold as they came with (I3), where the store has nobody else, who might have had dealings with
/// them. Bots kill nobody, so none comes from loot.
pub fn gold(players: usize, report: &mut Report) {
    if players == report.players as usize && report.gold_stored != report.gold_before {
        let Report { gold_before, gold_stored, .. } = *report;
        report.violated("I3", format!("the bots came with {gold_before} gold, and the store has {gold_stored}"));
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
