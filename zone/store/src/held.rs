//! The owner records that answers of a store hold, so that a driver can put the newest data into all of them in one way.

use darkages_topology::PlayerId;

use crate::journal::Committed;
use crate::owner::{OwnerRecord, Swapped};

/// A record in an answer, and whose it is.
pub(crate) type Held<'a> = (PlayerId, &'a mut OwnerRecord);

/// Those of `players`, in their order, who have one.
pub(crate) fn in_list<'a>(players: &[PlayerId], records: &'a mut [Option<OwnerRecord>]) -> Vec<Held<'a>> {
    players.iter().zip(records).filter_map(|(player, record)| Some((*player, record.as_mut()?))).collect()
}

/// Those of a page.
pub(crate) fn in_page(page: &mut [(PlayerId, OwnerRecord)]) -> Vec<Held<'_>> {
    page.iter_mut().map(|(player, record)| (*player, record)).collect()
}

/// Those with which swaps of `players` are in conflict.
pub(crate) fn in_conflicts<'a>(players: &[PlayerId], answers: &'a mut [Swapped]) -> Vec<Held<'a>> {
    let conflict = |(player, answer): (&PlayerId, &'a mut Swapped)| match answer {
        Swapped::Conflict(Some(record)) => Some((*player, record)),
        _ => None,
    };
    players.iter().zip(answers).filter_map(conflict).collect()
}

/// The one for whose sake a transaction was refused.
pub(crate) fn in_refusal(answer: &mut Committed) -> Vec<Held<'_>> {
    match answer {
        Committed::Refused { player, why: _, current: Some(record) } => vec![(*player, record)],
        _ => Vec::new(),
    }
}
