//! The subcommands: flags in, one call of what does the work, words or JSON out.

pub mod create;
pub mod list;
pub mod making;
pub mod restore;
pub mod schedule;
pub mod verify;

use std::io::Write as _;

use anyhow::Context as _;

use super::catalogue::{Catalogue, Whole};
use super::id::BackupId;
use super::target::Target;
use crate::exit::BadInput;

/// Prints what a command has to say.
fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("writing the answer")
}

/// Prints JSON for scripts.
fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&(serde_json::to_string_pretty(value).context("encoding the answer")? + "\n"))
}

/// A backup and those on which it builds, the newest first.
fn chain_of<'a>(catalogue: &'a Catalogue, target: &Target, id: BackupId) -> anyhow::Result<Vec<&'a Whole>> {
    catalogue.chain(id).with_context(|| format!("the backup {id} in {} is broken", target.name()))
}

/// What `--id` says.
fn parse_id(text: &str) -> Result<BackupId, BadInput> {
    text.parse().map_err(|error| BadInput::new(format!("--id {text}: {error}; `backup list` prints the names")))
}

/// Refuses a name that nothing in the place has, broken or not.
fn check_known(catalogue: &Catalogue, target: &Target, id: BackupId) -> Result<(), BadInput> {
    if catalogue.found.iter().any(|found| found.id() == id) {
        return Ok(());
    }
    let place = target.name();
    Err(BadInput::new(format!("--id {id}: {place} has no such backup; `backup list` prints what is there")))
}

/// Bytes as people read them.
fn human(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}
