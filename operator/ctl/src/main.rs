//! The `darkages` command: one file per subcommand, each a thin shell over the crate that does the work.

#![forbid(unsafe_code)]

mod backup;
mod bench;
mod bounds;
mod cluster;
mod exit;
mod local;
mod plan;
mod sim;
mod store;
mod store_flags;
mod swarm;
mod version;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A world of zones that split while people play.
#[derive(Parser)]
#[command(name = "darkages", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Backup(backup::Args),
    Bench(bench::Args),
    Drain(cluster::drain::Args),
    Local(local::Args),
    Map(cluster::map::Args),
    Move(cluster::moves::Args),
    Plan(plan::Args),
    Sim(sim::Args),
    Store(store::Args),
    Swarm(swarm::Args),
    Top(cluster::top::Args),
    Tree(cluster::tree::Args),
    Version(version::Args),
}

fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => return exit::of_usage(&error),
    };
    exit::of_run(match command {
        Command::Backup(args) => backup::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Drain(args) => cluster::drain::run(args),
        Command::Local(args) => local::run(args),
        Command::Map(args) => cluster::map::run(args),
        Command::Move(args) => cluster::moves::run(args),
        Command::Plan(args) => plan::run(args),
        Command::Sim(args) => sim::run(args),
        Command::Store(args) => store::run(args),
        Command::Swarm(args) => swarm::run(args),
        Command::Top(args) => cluster::top::run(args),
        Command::Tree(args) => cluster::tree::run(args),
        Command::Version(args) => version::run(args),
    })
}
