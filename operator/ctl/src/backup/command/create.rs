//! `darkages backup create`.

use super::making::{Flags, Style};
use crate::backup::stop::Stop;

/// Make a backup, then remove the oldest ones
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    flags: Flags,

    /// Save those players only whose records changed since the newest backup
    #[arg(long)]
    incremental: bool,
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let Args { flags, incremental } = args;
    let json = flags.json;
    let making = flags.check()?;
    let style = if incremental { Style::Incremental } else { Style::Full };
    let made = making.run(style, &Stop::listen()?).await?;
    if json { super::print_json(&made) } else { super::print(&made.line()) }
}
