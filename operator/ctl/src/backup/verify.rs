//! Looking at every byte of a backup: is everything there, unchanged, readable, and one world together with its parents?

use darkages_topology::PlayerId;
use indicatif::ProgressBar;

use super::catalogue::Whole;
use super::chain::Merged;
use super::digest::Digest;
use super::format::{self, FormatError, Incarnation, Indexed, Kind, Logged, Owner};
use super::id::BackupId;
use super::manifest::FileEntry;
use super::read::{self, ReadError, Record, Records, Wrong};
use super::target::Target;

/// Why files that are sound by themselves are no world together.
#[derive(Debug, thiserror::Error)]
pub enum ChainFault {
    /// A file of the chain is broken.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The index has other players than the records, or another digest.
    #[error("the index of {id} and the owner records of its chain disagree about {player}")]
    Index {
        /// Whose index.
        id: BackupId,
        /// The first player about whom they do.
        player: PlayerId,
    },
}

/// Every file of one backup that is broken, with what is wrong with it.
pub async fn files(target: &Target, backup: &Whole, bar: &ProgressBar) -> Vec<ReadError> {
    let mut broken = Vec::new();
    for entry in &backup.manifest.files {
        let checked = match entry.kind {
            Kind::Owners => records::<Owner>(target, backup, entry).await,
            Kind::Index => records::<Indexed>(target, backup, entry).await,
            Kind::Journal => records::<Logged>(target, backup, entry).await,
            Kind::Leases => records::<Incarnation>(target, backup, entry).await,
            Kind::Map => map(target, backup, entry).await,
        };
        broken.extend(checked.err());
        bar.inc(entry.bytes);
    }
    broken
}

async fn records<T: Record>(target: &Target, backup: &Whole, entry: &FileEntry) -> Result<(), ReadError> {
    let mut records = Records::<T>::of_file(target, &backup.manifest, entry);
    while records.next().await?.is_some() {}
    Ok(())
}

async fn map(target: &Target, backup: &Whole, entry: &FileEntry) -> Result<(), ReadError> {
    let mut reading = read::file(target, &backup.manifest, entry).await?;
    let decoded = match reading.next() {
        Ok(Some(record)) => format::decode_map(record).map(drop),
        Ok(None) => Err(FormatError::Short),
        Err(error) => Err(error),
    };
    decoded.map_err(|error| ReadError {
        name: format!("{}/{}", backup.manifest.id, entry.name),
        why: Wrong::Format(error),
    })
}

/// Whether the chain, newest backup first, has exactly the records of which the newest index speaks.
///
/// # Errors
/// When it has not, or a file is broken.
pub async fn chain(target: &Target, chain: &[&Whole]) -> Result<(), ChainFault> {
    let Some(newest) = chain.first() else { return Ok(()) };
    let mut merged = Merged::new(target, chain).await?;
    let mut index = Records::<Indexed>::new(target, &newest.manifest);
    loop {
        let found = merged.next().await?;
        let found = found.map(|owner| Indexed { player: owner.player, digest: Digest::of(&owner.bytes).short() });
        let known = index.next().await?;
        match (found, known) {
            (None, None) => return Ok(()),
            (found, known) if found == known => {}
            (found, known) => {
                let players = found.into_iter().chain(known).map(|indexed| indexed.player);
                let player = players.min().unwrap_or(PlayerId(0));
                return Err(ChainFault::Index { id: newest.manifest.id, player });
            }
        }
    }
}
