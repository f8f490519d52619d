//! The world at a moment: the records of a chain of backups, brought forward by the log.
//!
//! A player's state is the one after the newest transaction that is in the world at the moment, or the record's when that
//! has as many transactions in it; then it also has the checkpoints after the last of them. All transactions between the
//! two must be in the log, or something would be missing without a word: each has raised the version by one, so a gap shows.

use darkages_store::{OwnerRecord, StateVersion, codec};
use darkages_topology::PlayerId;

use super::chain::Merged;
use super::cut::Cut;
use super::format::{FormatError, Logged, Owner};
use super::limits::{MAX_INVERSION, MAX_NEAR};
use super::moment::Plan;
use super::read::{ReadError, Records, Wrong};
use super::sorted::{SortError, Sorted, Sorter, State};
use super::target::Target;

/// Why there is no world at the moment.
#[derive(Debug, thiserror::Error)]
pub enum RollError {
    /// A backup is broken.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log cannot be sorted.
    #[error(transparent)]
    Sort(#[from] SortError),
    /// More transactions than are looked at.
    #[error("there are more than {MAX_NEAR} transactions within {} s of that moment: choose another", MAX_INVERSION.as_secs())]
    Crowded,
    /// The log does not have all that happened.
    #[error("the log lacks the transaction that made version {} of {player}: choose another moment or another backup", version.0)]
    Gap {
        /// Whose.
        player: PlayerId,
        /// Which.
        version: StateVersion,
    },
    /// The log has two transactions where there can be one.
    #[error("the log has two transactions that made version {} of {player}: choose another backup", version.0)]
    Twice {
        /// Whose.
        player: PlayerId,
        /// Which.
        version: StateVersion,
    },
    /// A record is later than the moment.
    #[error("the record of {player} is later than that moment: choose a later moment or an earlier backup")]
    Later {
        /// Whose.
        player: PlayerId,
    },
}

/// The records of a world at a moment, in order of player.
pub struct Rolled<'a> {
    merged: Merged<'a>,
    base: Option<(PlayerId, OwnerRecord)>,
    sorted: Sorted,
    next: Option<State>,
    cut: Cut,
}

impl<'a> Rolled<'a> {
    /// Those of `plan`.
    ///
    /// # Errors
    /// When a backup is not as it was written, or there is too much to sort.
    pub async fn new(target: &'a Target, plan: &Plan<'a>) -> Result<Self, RollError> {
        let cut = Cut::find(target, plan).await?;
        let mut sorter = Sorter::default();
        for backup in &plan.log {
            let mut entries = Records::<Logged>::new(target, &backup.manifest);
            while let Some(Logged { shard, entry }) = entries.next().await? {
                if !cut.has(&entry) {
                    continue;
                }
                for state in entry.states {
                    let (player, version) = (state.player, state.data.version);
                    let record =
                        OwnerRecord { owner: shard, owner_epoch: state.owner_epoch, open: None, data: state.data };
                    sorter.push(State { player, version, bytes: codec::encode_owner(&record) })?;
                }
            }
        }
        let mut sorted = sorter.finish()?;
        let mut merged = Merged::new(target, &plan.chain).await?;
        let (base, next) = (owner(merged.next().await?)?, sorted.next()?);
        Ok(Self { merged, base, sorted, next, cut })
    }

    /// The next one; `None` after the last.
    ///
    /// # Errors
    /// When a backup is not as it was written, or the log and the records do not fit together.
    pub async fn next(&mut self) -> Result<Option<(PlayerId, OwnerRecord)>, RollError> {
        let waiting = self.base.as_ref().map(|(player, _)| *player);
        let logged = self.next.as_ref().map(|state| state.player);
        let Some(player) = waiting.into_iter().chain(logged).min() else { return Ok(None) };
        let base = match self.base.take_if(|(waiting, _)| *waiting == player) {
            Some((_, record)) => {
                self.base = owner(self.merged.next().await?)?;
                Some(record)
            }
            None => None,
        };
        let version = base.as_ref().map_or(StateVersion(0), |record| record.data.version);
        if self.cut.first_excluded(player).is_some_and(|excluded| excluded <= version) {
            return Err(RollError::Later { player });
        }
        let newest = self.newest(player, version)?;
        Ok(match (base, newest) {
            (Some(base), Some(newest)) => Some((player, forward(base, newest))),
            (base, newest) => newest.or(base).map(|record| (player, record)),
        })
    }

    /// The last state of `player` in the log, if it is newer than `version`, once all between the two were seen.
    fn newest(&mut self, player: PlayerId, version: StateVersion) -> Result<Option<OwnerRecord>, RollError> {
        let (mut reached, mut newest) = (version, None::<State>);
        while let Some(state) = self.next.take_if(|state| state.player == player) {
            self.next = self.sorted.next()?;
            if state.version == reached {
                // Backups may have the last entries of a log twice.
                if newest.as_ref().is_some_and(|newest| newest.bytes != state.bytes) {
                    return Err(RollError::Twice { player, version: reached });
                }
            } else if state.version > reached {
                if state.version != reached.next() {
                    return Err(RollError::Gap { player, version: reached.next() });
                }
                reached = state.version;
                newest = Some(state);
            }
        }
        newest.map(|state| record(player, &state.bytes)).transpose().map_err(Into::into)
    }
}

/// What becomes of a record with a state that is newer. Under the same epoch ownership is as it was; under a higher one the
/// player had come to the shard whose log has the state.
fn forward(base: OwnerRecord, newest: OwnerRecord) -> OwnerRecord {
    if newest.owner_epoch > base.owner_epoch { newest } else { OwnerRecord { data: newest.data, ..base } }
}

fn record(player: PlayerId, bytes: &[u8]) -> Result<OwnerRecord, ReadError> {
    codec::decode_owner(bytes).map_err(|error| unreadable(player, FormatError::Record(error)))
}

fn owner(owner: Option<Owner>) -> Result<Option<(PlayerId, OwnerRecord)>, ReadError> {
    let Some(owner) = owner else { return Ok(None) };
    let player = owner.player;
    owner.record().map(|record| Some((player, record))).map_err(|error| unreadable(player, error))
}

fn unreadable(player: PlayerId, error: FormatError) -> ReadError {
    ReadError { name: format!("the record of {player}"), why: Wrong::Format(error) }
}
