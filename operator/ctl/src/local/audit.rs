//! What must hold in the store and in the zones' counts once a run is over and nothing moves any more.

use darkages_server::stats::Totals;
use darkages_store::{Store, StoreError, limits};
use darkages_topology::Topology;

use super::report::Report;

/// Violations of one kind that are told one by one; the rest is counted.
const MAX_TOLD: usize = 8;

/// Checks the owner records: no handoff was left open (I2). A player who left is owned by the shard where that happened,
/// whether or not it is still on the map; whoever owns the ground then claims the record.
pub async fn owners(store: &dyn Store, report: &mut Report) -> Result<(), StoreError> {
    let mut wrong = Vec::new();
    let mut after = None;
    loop {
        let page = store.scan_owners(after, limits::MAX_PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        for (player, record) in &page {
            if let Some(open) = &record.open {
                wrong.push(format!("handoff {} of {player} was left open", open.id));
            }
        }
    }
    let untold = wrong.len().saturating_sub(MAX_TOLD);
    for evidence in wrong.into_iter().take(MAX_TOLD) {
        report.violated("I2", evidence);
    }
    if untold > 0 {
        report.violated("I2", format!("{untold} more records like these"));
    }
    Ok(())
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
