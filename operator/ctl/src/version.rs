//! `darkages version`.

use anyhow::Context as _;
use std::io::Write as _;

/// Print the version
#[derive(clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let line = if args.json {
        serde_json::json!({"name": "darkages", "version": version}).to_string()
    } else {
        format!("darkages {version}")
    };
    writeln!(std::io::stdout(), "{line}").context("writing the version")
}
