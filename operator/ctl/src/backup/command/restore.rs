//! `darkages backup restore`.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Serialize;

use crate::backup::catalogue::{Catalogue, Found, Whole};
use crate::backup::compare::compare;
use crate::backup::id::BackupId;
use crate::backup::manifest;
use crate::backup::place::Draft;
use crate::backup::progress::{Counting, bar};
use crate::backup::restore;
use crate::backup::stop::{Stop, Stopped};
use crate::backup::target::{Target, Wanted};
use crate::backup::verify;
use crate::exit::BadInput;

/// Bring a backup back into a new world
#[derive(clap::Args)]
pub struct Args {
    /// Where the backups are: a directory, or s3://bucket/prefix
    #[arg(long, value_name = "PLACE")]
    from: String,

    /// Where the world goes: a directory for `local --data`
    #[arg(long, value_name = "DIR")]
    into: PathBuf,

    /// Which backup; without it, the newest
    #[arg(long, value_name = "ID")]
    id: Option<String>,

    /// The newest backup that was done by then, like 2026-11-24T20:54:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "id")]
    until: Option<String>,

    /// Replace the world that is there, once the backup is back whole
    #[arg(long)]
    overwrite: bool,

    /// Print JSON, and show no progress
    #[arg(long)]
    json: bool,
}

/// What was restored.
#[derive(Serialize)]
struct Answer {
    id: BackupId,
    world: String,
    created: String,
    players: u64,
    into: PathBuf,
    seconds: f64,
}

/// Which backup is wanted.
enum Which {
    Newest,
    Id(BackupId),
    Until(Timestamp),
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let Args { from, into, id, until, overwrite, json } = args;
    let start = Instant::now();
    let which = which(id.as_deref(), until.as_deref())?;
    let target = Target::open("--from", &from, Wanted::Existing)?;
    let catalogue = Catalogue::read(&target).await.with_context(|| format!("looking through {from}"))?;
    let newest = choose(&catalogue, &target, &which)?;
    let chain = super::chain_of(&catalogue, &target, newest.manifest.id)?;
    let draft = Draft::begin(&into, overwrite)?;
    let stop = Stop::listen()?;
    let players = tokio::select! {
        players = bring(&draft, &target, &chain, !json) => players,
        () = stop.wanted() => Err(Stopped.into()),
    };
    // Dropping the draft leaves what was there before.
    let players = players.with_context(|| format!("nothing was restored into {}", into.display()))?;
    draft.keep().await?;
    let answer = Answer {
        id: newest.manifest.id,
        world: newest.manifest.world.clone(),
        created: newest.manifest.created.to_string(),
        players,
        into,
        seconds: start.elapsed().as_secs_f64(),
    };
    if json {
        return super::print_json(&answer);
    }
    let Answer { id, players, into, seconds, .. } = answer;
    super::print(&format!("{players} players of {id} restored into {} in {seconds:.1} s\n", into.display()))
}

fn which(id: Option<&str>, until: Option<&str>) -> Result<Which, BadInput> {
    match (id, until) {
        (Some(id), _) => super::parse_id(id).map(Which::Id),
        (None, Some(until)) => until.parse().map(Which::Until).map_err(|_| {
            BadInput::new(format!("--until {until} is no time: give one with its zone, like 2026-11-24T20:54:00Z"))
        }),
        (None, None) => Ok(Which::Newest),
    }
}

fn choose<'a>(catalogue: &'a Catalogue, target: &Target, which: &Which) -> anyhow::Result<&'a Whole> {
    let from = target.name();
    let chosen = match which {
        Which::Id(id) => {
            super::check_known(catalogue, target, *id)?;
            // One of this name that is broken is told with what is wrong.
            super::chain_of(catalogue, target, *id)?.first().copied()
        }
        Which::Newest => {
            only_one_world(catalogue, from)?;
            let last = catalogue.found.iter().rfind(|found| !matches!(found, Found::Unfinished(_)));
            if let Some(Found::Broken(id, error)) = last {
                anyhow::bail!(
                    "the newest backup {id} is broken: {}: {error}; choose another with --id",
                    manifest::NAME
                );
            }
            catalogue.whole().next_back()
        }
        Which::Until(time) => {
            only_one_world(catalogue, from)?;
            catalogue.whole().rfind(|whole| whole.manifest.finished <= *time)
        }
    };
    chosen.ok_or_else(|| {
        let then = if matches!(which, Which::Until(_)) { " that was done by --until" } else { "" };
        BadInput::new(format!("--from {from} has no whole backup{then}: `backup list` prints what is there")).into()
    })
}

/// Of several worlds none is the one that is meant when no backup is named.
fn only_one_world(catalogue: &Catalogue, from: &str) -> Result<(), BadInput> {
    let mut worlds = catalogue.whole().map(|whole| whole.manifest.world.as_str());
    let first = worlds.next();
    match worlds.find(|world| first.is_some_and(|first| first != *world)) {
        None => Ok(()),
        Some(other) => {
            let first = first.unwrap_or_default();
            Err(BadInput::new(format!("--from {from} has backups of {first} and of {other}: name one with --id")))
        }
    }
}

/// Reads everything once to see that it is sound, fills the draft, and compares the two.
async fn bring(draft: &Draft, target: &Target, chain: &[&Whole], progress: bool) -> anyhow::Result<u64> {
    let bytes = chain.iter().map(|whole| whole.manifest.stored_bytes()).sum();
    let verifying = bar("verifying", Counting::Bytes(bytes), progress);
    for backup in chain {
        if let Some(error) = verify::files(target, backup, &verifying).await.into_iter().next() {
            return Err(error.into());
        }
    }
    verify::chain(target, chain).await?;
    verifying.finish_and_clear();
    let total = chain.first().map(|newest| newest.manifest.players);
    let restoring = bar("restoring", Counting::Players(total), progress);
    let players = restore::fill(draft.store(), target, chain, &restoring).await?;
    restoring.finish_and_clear();
    let comparing = bar("comparing", Counting::Players(total), progress);
    let differences = compare(draft.store(), target, chain, &comparing).await?;
    comparing.finish_and_clear();
    let first = differences.told.first().map_or("", String::as_str);
    anyhow::ensure!(differences.count == 0, "the restored world is not what the backup says: {first}");
    Ok(players)
}
