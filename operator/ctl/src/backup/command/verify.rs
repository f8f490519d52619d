//! `darkages backup verify`.

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use indicatif::ProgressBar;
use serde::Serialize;

use darkages_store::source::{STORE_VARIABLE, store_url};

use crate::backup::catalogue::{Catalogue, Found, Whole};
use crate::backup::compare::{self, compare};
use crate::backup::id::BackupId;
use crate::backup::moment::Plan;
use crate::backup::place::{self, Place};
use crate::backup::progress::{Counting, bar};
use crate::backup::target::{Target, Wanted};
use crate::backup::{manifest, verify};
use crate::exit::BadInput;

/// Read every byte of backups and say which files are broken
#[derive(clap::Args)]
pub struct Args {
    /// Where the backups are: a directory, or s3://bucket/prefix
    #[arg(long, value_name = "PLACE")]
    from: String,

    /// Look at this backup and those on which it builds; without it, at all
    #[arg(long, value_name = "ID")]
    id: Option<String>,

    /// Compare the backup (without --id the newest) with the world in this directory, which no process may have open, or in
    /// the store of this URL, in which nobody may play. The word DARKAGES_STORE stands for the URL in that variable, which
    /// other users of the machine cannot read
    #[arg(long, value_name = "DIR|URL")]
    against: Option<String>,

    /// The name of the world in --against
    #[arg(long, value_name = "NAME", default_value = place::NAME)]
    world: String,

    /// Print JSON, and show no progress
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Default, Serialize)]
struct Answer {
    backups: usize,
    files: usize,
    bytes: u64,
    /// Folders without a manifest, which are no backups.
    unfinished: Vec<BackupId>,
    /// Every broken file, with what is wrong.
    broken: Vec<String>,
    /// Players that were compared with a world.
    compared: Option<u64>,
    /// What that world has otherwise.
    differences: Vec<String>,
    seconds: f64,
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let Args { from, id, against, world, json } = args;
    let id = id.as_deref().map(super::parse_id).transpose()?;
    let start = Instant::now();
    let target = Target::open("--from", &from, Wanted::Existing)?;
    let world = match against {
        Some(place) => Some(of_against(&place, &world)?.open().await?),
        None => None,
    };
    let catalogue = Catalogue::read(&target).await.with_context(|| format!("looking through {from}"))?;
    if let Some(id) = id {
        super::check_known(&catalogue, &target, id)?;
    }
    let mut answer = Answer::default();
    let wanted = wanted(&catalogue, id, &mut answer);
    let bytes = wanted.iter().map(|whole| whole.manifest.stored_bytes()).sum();
    let progress = bar("verifying", Counting::Bytes(bytes), !json);
    look(&target, &catalogue, &wanted, &mut answer, &progress).await;
    progress.finish_and_clear();
    if let Some(world) = world {
        let newest = wanted.last().context("there is no whole backup to compare with")?;
        let chain = super::chain_of(&catalogue, &target, newest.manifest.id)?;
        let progress = bar("comparing", Counting::Players(Some(newest.manifest.players)), !json);
        let plan = Plan::of(chain);
        let mut found = compare(&*world.store, &target, &plan, &progress).await?;
        compare::map(&*world.store, &target, &plan, &mut found).await?;
        progress.finish_and_clear();
        answer.compared = Some(found.players);
        answer.differences = found.told;
        let untold = found.count - answer.differences.len() as u64;
        if untold > 0 {
            answer.differences.push(format!("{untold} more"));
        }
    }
    answer.seconds = start.elapsed().as_secs_f64();
    tell(&answer, &from, json)
}

/// What `--against` says: a directory, the URL of a store, or the variable that has one.
fn of_against(place: &str, world: &str) -> Result<Place, BadInput> {
    if place == STORE_VARIABLE {
        let url = store_url(None, None, std::env::var_os(STORE_VARIABLE));
        let url = url.map_err(|error| BadInput::new(format!("--against: {error}")))?;
        let unset = || BadInput::new(format!("--against {STORE_VARIABLE}: it is not set"));
        Place::store("--against", url.ok_or_else(unset)?, world)
    } else if place.contains("://") {
        Place::store("--against", place.to_owned().into(), world)
    } else {
        Ok(Place::directory("--against", Path::new(place), world))
    }
}

/// The backups to look at, the oldest first. Manifests that are broken are found on the way.
fn wanted<'a>(catalogue: &'a Catalogue, id: Option<BackupId>, answer: &mut Answer) -> Vec<&'a Whole> {
    match id {
        Some(id) => match catalogue.chain(id) {
            Ok(chain) => chain.into_iter().rev().collect(),
            Err(error) => {
                answer.broken.push(error.to_string());
                Vec::new()
            }
        },
        None => {
            for found in &catalogue.found {
                match found {
                    Found::Whole(_) => {}
                    Found::Unfinished(id) => answer.unfinished.push(*id),
                    Found::Broken(id, error) => answer.broken.push(format!("{id}/{}: {error}", manifest::NAME)),
                }
            }
            catalogue.whole().collect()
        }
    }
}

async fn look(target: &Target, catalogue: &Catalogue, wanted: &[&Whole], answer: &mut Answer, progress: &ProgressBar) {
    for backup in wanted {
        answer.backups += 1;
        answer.files += backup.manifest.files.len();
        answer.bytes += backup.manifest.stored_bytes();
        let broken = verify::files(target, backup, progress).await;
        let whole = broken.is_empty();
        answer.broken.extend(broken.into_iter().map(|error| format!("{:#}", anyhow::Error::from(error))));
        let together = match catalogue.chain(backup.manifest.id) {
            Ok(chain) => verify::chain(target, &chain).await.map_err(anyhow::Error::from),
            Err(error) => Err(error.into()),
        };
        // Of a backup with broken files the chain would only say that again.
        if let (true, Err(error)) = (whole, together) {
            answer.broken.push(format!("{}: {error:#}", backup.manifest.id));
        }
    }
}

fn tell(answer: &Answer, from: &str, json: bool) -> anyhow::Result<()> {
    let Answer { backups, files, bytes, unfinished, broken, compared, differences, seconds } = answer;
    if json {
        super::print_json(answer)?;
    } else {
        let mut text = String::new();
        for line in broken {
            text.push_str(&format!("BROKEN  {line}\n"));
        }
        for id in unfinished {
            text.push_str(&format!("{id} is unfinished: it is being made, or was interrupted\n"));
        }
        text.push_str(&format!("{backups} backups, {files} files, {} read in {seconds:.1} s\n", super::human(*bytes)));
        for line in differences {
            text.push_str(&format!("DIFFERS  {line}\n"));
        }
        if let (Some(players), true) = (compared, differences.is_empty()) {
            text.push_str(&format!("equal: {players} players, the map and the shards' incarnations\n"));
        }
        super::print(&text)?;
    }
    if *backups == 0 && broken.is_empty() {
        return Err(BadInput::new(format!(
            "--from {from} has no backups: give the place that `create --to` was given"
        ))
        .into());
    }
    anyhow::ensure!(broken.is_empty(), "{} of the files in {from} are broken, see BROKEN or broken[]", broken.len());
    anyhow::ensure!(differences.is_empty(), "the world is not what the backup says, see DIFFERS or differences[]");
    Ok(())
}
