//! One run that makes a backup and lets old ones go, as `create` and `schedule` do it.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use darkages_store::{Clock, SystemClock};
use serde::Serialize;

use crate::backup::catalogue::{Catalogue, Whole};
use crate::backup::create::{self, CreateError, Order};
use crate::backup::format::Kind;
use crate::backup::id::BackupId;
use crate::backup::limits::MAX_CHAIN;
use crate::backup::manifest::Manifest;
use crate::backup::pack::{Compression, Method};
use crate::backup::place::{self, Place};
use crate::backup::progress::{Counting, bar};
use crate::backup::rotation;
use crate::backup::stop::Stop;
use crate::backup::target::{Target, Wanted};
use crate::exit::BadInput;
use crate::store_flags::StoreFlags;

/// Backups that are kept when nothing else is said.
const DEFAULT_KEEP: usize = 30;

/// What every run needs to be told.
#[derive(clap::Args, Clone, Debug)]
pub struct Flags {
    /// The world: the directory that `local --data` was given, which is open in one process at a time. Or --store: then
    /// zones may play on meanwhile
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    #[command(flatten)]
    store: StoreFlags,

    /// The name of the world
    #[arg(long, value_name = "NAME", default_value = place::NAME)]
    world: String,

    /// Where backups go: a directory, or s3://bucket/prefix
    #[arg(long, value_name = "PLACE")]
    to: String,

    /// How files are compressed: gzip, zstd or none
    #[arg(long, value_name = "METHOD", default_value = "gzip")]
    compression: String,

    /// How hard it tries: 1 to 9 for gzip [default: 9], 1 to 19 for zstd [default: 3]
    #[arg(long, value_name = "L")]
    level: Option<u8>,

    /// Backups of this world to keep; the oldest go, except those on which a kept one builds
    #[arg(long, value_name = "N", default_value_t = DEFAULT_KEEP)]
    keep: usize,

    /// Print JSON, and show no progress
    #[arg(long)]
    pub json: bool,
}

/// Flags that make sense.
#[derive(Clone, Debug)]
pub struct Making {
    place: Place,
    /// Where backups go.
    pub target: Target,
    compression: Compression,
    keep: usize,
    progress: bool,
}

/// What a run has done.
#[derive(Debug, Serialize)]
pub struct Made {
    id: BackupId,
    world: String,
    kind: &'static str,
    parent: Option<BackupId>,
    players: u64,
    /// Owner records in it: those of all players, or of those that changed.
    records: u64,
    files: usize,
    /// Bytes before compression and as stored.
    raw_bytes: u64,
    bytes: u64,
    seconds: f64,
    /// Old backups and interrupted ones that went.
    removed: Vec<BackupId>,
}

/// Whether a run makes a full backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Always.
    Full,
    /// Never: without a backup to build on it is refused.
    Incremental,
    /// When so many backups, the full one included, build on each other already.
    FullEvery(usize),
}

impl Flags {
    /// Checks every flag and opens the target.
    ///
    /// # Errors
    /// The first flag that cannot be used, and the fix.
    pub fn check(self) -> Result<Making, BadInput> {
        let Self { data, store, world, to, compression, level, keep, json } = self;
        let compression = compression_of(&compression, level)?;
        if keep == 0 {
            return Err(BadInput::new("--keep is 0: keep 1 or more backups"));
        }
        let place = Place::of_flags(("--data", data.as_deref()), &store, &world)?;
        place.check()?;
        let target = Target::open("--to", &to, Wanted::Made)?;
        Ok(Making { place, target, compression, keep, progress: !json })
    }
}

fn compression_of(name: &str, level: Option<u8>) -> Result<Compression, BadInput> {
    let method = match name {
        "none" => Method::None,
        "gzip" => Method::Gzip,
        "zstd" => Method::Zstd,
        _ => return Err(BadInput::new(format!("--compression {name} is unknown: give gzip, zstd or none"))),
    };
    let (least, most, usual) = method.levels();
    match level {
        None => Ok(Compression { method, level: usual }),
        Some(_) if method == Method::None => Err(BadInput::new("--level has no meaning with --compression none")),
        Some(level) if (least..=most).contains(&level) => Ok(Compression { method, level }),
        Some(level) => Err(BadInput::new(format!("--level is {level}: give {least} to {most} for {name}"))),
    }
}

impl Making {
    /// Makes one backup, then lets go of what is too old. When it fails or is stopped it removes what it has written.
    ///
    /// # Errors
    /// [`BadInput`] when the world or the flags cannot be used, [`Stopped`] when `stop` came first.
    pub async fn run(&self, style: Style, stop: &Stop) -> anyhow::Result<Made> {
        let (start, clock) = (Instant::now(), SystemClock::new());
        let world = self.place.open().await?;
        let catalogue = self.look().await?;
        let parent = parent(&catalogue, &self.target, &world.name, style)?;
        let created = create::now(&clock);
        let newest = catalogue.whole().next_back().map(|whole| whole.manifest.id);
        let id = BackupId::new(created, rand::random()).after(newest);
        let previous = catalogue.whole().rfind(|whole| whole.manifest.world == world.name);
        let order = Order { world: &world.name, id, created, compression: self.compression, parent, previous };
        let bar = bar("backing up", Counting::Players(parent.map(|parent| parent.manifest.players)), self.progress);
        let made = create::create(&*world.store, &self.target, order, &clock, stop, &bar).await;
        bar.finish_and_clear();
        let manifest = match made {
            Ok(manifest) => manifest,
            Err(error) => {
                // If this fails, too, a later run removes it.
                let _ = self.target.remove(id).await;
                let error = match error {
                    CreateError::Stopped(stopped) => anyhow::Error::from(stopped),
                    error => error.into(),
                };
                return Err(error.context(format!("backing up {} to {}", self.place.name(), self.target.name())));
            }
        };
        world.store.close().await.context("closing the world")?;
        let removed = self.rotate(catalogue, &manifest, &clock).await?;
        Ok(Made::new(&manifest, start, removed))
    }

    /// When the newest backup of the world was begun, in seconds since the Unix epoch.
    pub fn newest(&self, catalogue: &Catalogue) -> Option<i64> {
        let mut of_world = catalogue.whole().filter(|whole| whole.manifest.world == self.place.world);
        of_world.next_back().map(|whole| whole.manifest.id.begun_unix_s())
    }

    /// What is in the target.
    ///
    /// # Errors
    /// When it cannot be looked through.
    pub async fn look(&self) -> anyhow::Result<Catalogue> {
        Catalogue::read(&self.target).await.with_context(|| format!("looking through {}", self.target.name()))
    }

    async fn rotate(&self, before: Catalogue, made: &Manifest, clock: &dyn Clock) -> anyhow::Result<Vec<BackupId>> {
        let backups = before.whole().map(|whole| &whole.manifest).chain([made]);
        let mut removed = rotation::surplus(backups, &made.world, self.keep);
        removed.extend(rotation::interrupted(&before, create::now(clock).as_second()));
        for id in &removed {
            self.target.remove(*id).await.with_context(|| format!("{} was made; removing {id}", made.id))?;
        }
        Ok(removed)
    }
}

/// The newest backup of the world, if the next one builds on it.
fn parent<'a>(
    catalogue: &'a Catalogue,
    target: &Target,
    world: &str,
    style: Style,
) -> anyhow::Result<Option<&'a Whole>> {
    if style == Style::Full {
        return Ok(None);
    }
    let newest = catalogue.whole().rev().find(|whole| whole.manifest.world == world);
    let chain = newest.map(|newest| catalogue.chain(newest.manifest.id)).transpose();
    match (style, newest, chain) {
        (Style::FullEvery(links), Some(newest), Ok(Some(chain))) if chain.len() < links => Ok(Some(newest)),
        (Style::FullEvery(_), ..) => Ok(None),
        (_, None, _) => {
            let to = target.name();
            let problem = format!("--incremental: {to} has no backup of {world} to build on: make a full one first");
            Err(BadInput::new(problem).into())
        }
        (_, Some(_), Ok(Some(chain))) if chain.len() >= MAX_CHAIN => Err(BadInput::new(format!(
            "--incremental: {MAX_CHAIN} backups build on each other already: make a full one"
        ))
        .into()),
        (_, newest, chain) => {
            chain.context("the newest backup cannot be built on: make a full one")?;
            Ok(newest)
        }
    }
}

impl Made {
    fn new(manifest: &Manifest, start: Instant, removed: Vec<BackupId>) -> Self {
        Self {
            id: manifest.id,
            world: manifest.world.clone(),
            kind: manifest.kind.label(),
            parent: manifest.parent.map(|parent| parent.id),
            players: manifest.players,
            records: manifest.records(Kind::Owners).unwrap_or(0),
            files: manifest.files.len(),
            raw_bytes: manifest.raw_bytes(),
            bytes: manifest.stored_bytes(),
            seconds: start.elapsed().as_secs_f64(),
            removed,
        }
    }

    /// When it was begun, in seconds since the Unix epoch.
    pub const fn begun_unix_s(&self) -> i64 {
        self.id.begun_unix_s()
    }

    /// What is said about it.
    pub fn line(&self) -> String {
        let Self { id, kind, players, records, raw_bytes, bytes, seconds, removed, .. } = self;
        let gone = if removed.is_empty() { String::new() } else { format!(", {} old ones removed", removed.len()) };
        format!(
            "{id}  {kind}, {records} of {players} players, {} from {}, {seconds:.1} s{gone}\n",
            super::human(*bytes),
            super::human(*raw_bytes),
        )
    }
}
