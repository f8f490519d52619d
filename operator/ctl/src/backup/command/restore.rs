//! `darkages backup restore`.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Serialize;

use crate::backup::catalogue::{Catalogue, Found, Whole};
use crate::backup::compare::compare;
use crate::backup::holder::Holder;
use crate::backup::id::BackupId;
use crate::backup::manifest;
use crate::backup::moment::Plan;
use crate::backup::place::{self, Destination, Place};
use crate::backup::progress::{Counting, bar};
use crate::backup::restore;
use crate::backup::stop::{Stop, Stopped};
use crate::backup::target::{Target, Wanted};
use crate::backup::verify;
use crate::exit::BadInput;
use crate::store_flags::StoreFlags;

/// Bring a backup back into a new world
#[derive(clap::Args)]
pub struct Args {
    /// Where the backups are: a directory, or s3://bucket/prefix
    #[arg(long, value_name = "PLACE")]
    from: String,

    /// Where the world goes: a directory for `local --data`
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,

    #[command(flatten)]
    store: StoreFlags,

    /// The name that the world has there
    #[arg(long, value_name = "NAME", default_value = place::NAME)]
    world: String,

    /// Which backup; without it, the newest
    #[arg(long, value_name = "ID")]
    id: Option<String>,

    /// The newest backup that was done by then, like 2026-11-24T20:54:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "id")]
    until: Option<String>,

    /// The world as it was at this moment, from a backup and the log after it, like 2026-11-24T20:54:00.250Z
    #[arg(long, value_name = "TIME", conflicts_with_all = ["id", "until"])]
    at: Option<String>,

    /// Replace the world that is there. A directory keeps it until the backup is back whole; in a store it goes first
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
    /// The moment of which the world is, when the backup says.
    moment: Option<String>,
    players: u64,
    into: String,
    seconds: f64,
}

/// Which backup is wanted.
enum Which {
    Newest,
    Id(BackupId),
    Until(Timestamp),
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let Args { from, into, store, world, id, until, at, overwrite, json } = args;
    let start = Instant::now();
    let which = which(id.as_deref(), until.as_deref())?;
    let at = at.map(|at| time("--at", &at)).transpose()?;
    let place = Place::of_flags(("--into", into.as_deref()), &store, &world)?;
    let target = Target::open("--from", &from, Wanted::Existing)?;
    let catalogue = Catalogue::read(&target).await.with_context(|| format!("looking through {from}"))?;
    let plan = plan(&catalogue, &target, &which, at)?;
    let base = plan.base().context("a plan has a backup")?;
    let mut destination = Destination::begin(&place, overwrite).await?;
    let stop = Stop::listen()?;
    let restored = restore_into(&mut destination, &target, &plan, &stop, !json).await;
    // Dropping a draft leaves what was there before.
    let players = restored.with_context(|| format!("{}: {}", place.name(), destination.what_is_left()))?;
    destination.keep().await?;
    let answer = Answer {
        id: base.manifest.id,
        world: base.manifest.world.clone(),
        created: base.manifest.created.to_string(),
        moment: (!plan.log.is_empty()).then(|| plan.moment.to_string()),
        players,
        into: place.name(),
        seconds: start.elapsed().as_secs_f64(),
    };
    if json {
        return super::print_json(&answer);
    }
    let Answer { id, players, into, seconds, moment, .. } = answer;
    let moment = moment.map_or_else(String::new, |moment| format!(" as of {moment}"));
    super::print(&format!("{players} players of {id}{moment} restored into {into} in {seconds:.1} s\n"))
}

/// Restores unless `stop` comes first. Whatever happens, no lease is left behind.
async fn restore_into(
    destination: &mut Destination,
    target: &Target,
    plan: &Plan<'_>,
    stop: &Stop,
    progress: bool,
) -> anyhow::Result<u64> {
    let store = destination.store();
    let mut holder = Holder::new(&*store);
    let players = tokio::select! {
        players = bring(destination, &mut holder, target, plan, progress) => players,
        () = stop.wanted() => Err(Stopped.into()),
    };
    let released = holder.release().await.context("releasing the shards");
    players.and_then(|players| released.map(|()| players))
}

fn which(id: Option<&str>, until: Option<&str>) -> Result<Which, BadInput> {
    match (id, until) {
        (Some(id), _) => super::parse_id(id).map(Which::Id),
        (None, Some(until)) => time("--until", until).map(Which::Until),
        (None, None) => Ok(Which::Newest),
    }
}

fn time(flag: &str, text: &str) -> Result<Timestamp, BadInput> {
    let fix = "give one with its zone, like 2026-11-24T20:54:00Z";
    text.parse().map_err(|_| BadInput::new(format!("{flag} {text} is no time: {fix}")))
}

/// What is read to restore what is wanted.
fn plan<'a>(
    catalogue: &'a Catalogue,
    target: &Target,
    which: &Which,
    at: Option<Timestamp>,
) -> anyhow::Result<Plan<'a>> {
    let Some(moment) = at else {
        let newest = choose(catalogue, target, which)?;
        return Ok(Plan::of(super::chain_of(catalogue, target, newest.manifest.id)?));
    };
    only_one_world(catalogue, target.name())?;
    let place = target.name();
    Plan::at(catalogue, moment).map_err(|error| BadInput::new(format!("--at {moment} in {place}: {error}")).into())
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

/// Reads everything once to see that it is sound, fills the destination, compares the two, and brings it into play.
async fn bring(
    destination: &mut Destination,
    holder: &mut Holder<'_>,
    target: &Target,
    plan: &Plan<'_>,
    progress: bool,
) -> anyhow::Result<u64> {
    check(target, plan, progress).await?;
    let base = plan.base().context("a plan has a backup")?;
    let map = restore::map(target, plan).await?;
    destination.make_room(holder, base.manifest.id, map.as_ref()).await?;
    let total = Some(base.manifest.players);
    let restoring = bar("restoring", Counting::Players(total), progress);
    let players = restore::fill(holder, target, plan, &restoring).await?;
    restoring.finish_and_clear();
    let comparing = bar("comparing", Counting::Players(total), progress);
    let differences = compare(holder.store(), target, plan, &comparing).await?;
    comparing.finish_and_clear();
    let first = differences.told.first().map_or("", String::as_str);
    anyhow::ensure!(differences.count == 0, "the restored world is not what the backup says: {first}");
    holder.renew().await?;
    destination.finish(map).await?;
    Ok(players)
}

/// Reads every byte that the restore needs.
async fn check(target: &Target, plan: &Plan<'_>, progress: bool) -> anyhow::Result<()> {
    let further = plan.log.iter().filter(|backup| !plan.chain.contains(backup));
    let backups: Vec<_> = plan.chain.iter().chain(further).collect();
    let bytes = backups.iter().map(|whole| whole.manifest.stored_bytes()).sum();
    let verifying = bar("verifying", Counting::Bytes(bytes), progress);
    for backup in backups {
        if let Some(error) = verify::files(target, backup, &verifying).await.into_iter().next() {
            return Err(error.into());
        }
    }
    verify::chain(target, &plan.chain).await?;
    verifying.finish_and_clear();
    Ok(())
}
