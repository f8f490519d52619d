//! A full backup and the incremental ones on top of it, read as one world.

use super::catalogue::Whole;
use super::format::Owner;
use super::read::{ReadError, Records};
use super::target::Target;

/// The owner records of a chain, in order of player: of each player the newest. One file of each backup is in memory.
pub struct Merged<'a> {
    /// The newest first.
    layers: Vec<Layer<'a>>,
}

struct Layer<'a> {
    records: Records<'a, Owner>,
    next: Option<Owner>,
}

impl<'a> Merged<'a> {
    /// Those of `chain`, the newest backup first.
    ///
    /// # Errors
    /// When a file is not as it was written.
    pub async fn new(target: &'a Target, chain: &[&'a Whole]) -> Result<Self, ReadError> {
        let mut layers = Vec::with_capacity(chain.len());
        for backup in chain {
            let mut records = Records::new(target, &backup.manifest);
            let next = records.next().await?;
            layers.push(Layer { records, next });
        }
        Ok(Self { layers })
    }

    /// The next one; `None` after the last.
    ///
    /// # Errors
    /// When a file is not as it was written.
    pub async fn next(&mut self) -> Result<Option<Owner>, ReadError> {
        let waiting = self.layers.iter().filter_map(|layer| layer.next.as_ref());
        let Some(player) = waiting.map(|owner| owner.player).min() else { return Ok(None) };
        let mut newest = None;
        for layer in &mut self.layers {
            if layer.next.as_ref().is_some_and(|owner| owner.player == player) {
                let following = layer.records.next().await?;
                let found = std::mem::replace(&mut layer.next, following);
                newest = newest.or(found);
            }
        }
        Ok(newest)
    }
}
