//! `darkages backup`: keeps copies of a world elsewhere, and brings them back.
//!
//! A world's store flows in, page by page; files of bounded size and a manifest flow out, and back. What computes
//! (`digest`, `format`, `id`, `manifest`, `moment`, `pack`, `rotation`, `schedule`, `span`) does no I/O; `create`, `log`,
//! `read`, `chain`, `cut`, `sorted`, `rolled`, `verify`, `restore` and `compare` stream through the store's port, temporary
//! files and a [`Target`](target::Target); `command/` has a
//! shell for each subcommand. At every moment a backup is whole or is none, and so is a restored world. ADR 12 has the
//! reasons.

mod bucket;
mod catalogue;
mod chain;
mod command;
mod compare;
mod create;
mod cut;
mod digest;
mod files;
mod format;
mod holder;
mod id;
mod limits;
mod log;
mod manifest;
mod moment;
mod pack;
pub mod place;
mod progress;
mod read;
mod restore;
mod rolled;
mod rotation;
mod schedule;
mod sorted;
mod span;
mod stop;
mod target;
#[cfg(test)]
mod tests;
mod verify;

use anyhow::Context as _;
use clap::Subcommand;

use self::command::verify as verify_command;
use self::command::{create as create_command, list, restore as restore_command, schedule as schedule_command};

/// Back a world up, look at backups, and restore them
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Create(create_command::Args),
    List(list::Args),
    Restore(restore_command::Args),
    Schedule(schedule_command::Args),
    Verify(verify_command::Args),
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("backup-io")
        .enable_all()
        .build()
        .context("starting the runtime")?;
    runtime.block_on(async {
        match args.command {
            Command::Create(args) => create_command::run(args).await,
            Command::List(args) => list::run(args).await,
            Command::Restore(args) => restore_command::run(args).await,
            Command::Schedule(args) => schedule_command::run(args).await,
            Command::Verify(args) => verify_command::run(args).await,
        }
    })
}
