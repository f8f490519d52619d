//! `darkages bench`: what a part of the system can do on this machine, beside what it stands on, in one run.
//!
//! `options` is what may be asked, `load` works through the store's port as zones do, `bare` does the same with nothing
//! between it and the servers, `pace` lets either go on and looks at the clock, `figures` and `report` say what came of it.

mod bare;
mod figures;
mod load;
mod options;
mod pace;
mod report;
mod store;

use anyhow::Context as _;
use clap::Subcommand;

/// Measure what this machine and its servers can do
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Store(options::Args),
}

pub fn run(args: Args) -> anyhow::Result<()> {
    // As many threads as a zone server gives to its store.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("bench-io")
        .enable_all()
        .build()
        .context("starting the runtime")?;
    match args.command {
        Command::Store(args) => runtime.block_on(store::run(args)),
    }
}
