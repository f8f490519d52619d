//! `darkages backup list`.

use std::fmt::Write as _;

use anyhow::Context as _;
use serde::Serialize;

use crate::backup::catalogue::{Catalogue, Found, Whole};
use crate::backup::format::Kind;
use crate::backup::id::BackupId;
use crate::backup::manifest::Covers;
use crate::backup::target::{Target, Wanted};

/// List backups, the oldest first
#[derive(clap::Args)]
pub struct Args {
    /// Where the backups are: a directory, or s3://bucket/prefix
    #[arg(long, value_name = "PLACE")]
    from: String,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A row of the list.
#[derive(Serialize)]
struct Row {
    id: BackupId,
    /// `whole`, `unfinished` or `broken`.
    state: &'static str,
    /// What is wrong, when it is broken.
    problem: Option<String>,
    #[serde(flatten)]
    about: Option<About>,
}

/// What the manifest says.
#[derive(Serialize)]
struct About {
    world: String,
    kind: &'static str,
    parent: Option<BackupId>,
    created: String,
    players: u64,
    records: u64,
    bytes: u64,
    /// Of which moments it is.
    covers: Option<Covers>,
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let Args { from, json } = args;
    let target = Target::open("--from", &from, Wanted::Existing)?;
    let catalogue = Catalogue::read(&target).await.with_context(|| format!("looking through {from}"))?;
    let rows: Vec<Row> = catalogue.found.iter().map(|found| row(&catalogue, found)).collect();
    if json {
        return super::print_json(&rows);
    }
    if rows.is_empty() {
        return super::print(&format!("no backups in {from}\n"));
    }
    super::print(&table(&rows)?)
}

fn row(catalogue: &Catalogue, found: &Found) -> Row {
    match found {
        Found::Whole(whole) => {
            let problem = catalogue.chain(whole.manifest.id).err().map(|error| error.to_string());
            let state = if problem.is_some() { "broken" } else { "whole" };
            Row { id: whole.manifest.id, state, problem, about: Some(about(whole)) }
        }
        Found::Unfinished(id) => Row { id: *id, state: "unfinished", problem: None, about: None },
        Found::Broken(id, error) => Row { id: *id, state: "broken", problem: Some(error.to_string()), about: None },
    }
}

fn about(whole: &Whole) -> About {
    let manifest = &whole.manifest;
    About {
        world: manifest.world.clone(),
        kind: manifest.kind.label(),
        parent: manifest.parent.map(|parent| parent.id),
        created: manifest.created.to_string(),
        players: manifest.players,
        records: manifest.records(Kind::Owners).unwrap_or(0),
        bytes: manifest.stored_bytes(),
        covers: manifest.covers,
    }
}

fn table(rows: &[Row]) -> Result<String, std::fmt::Error> {
    let mut table = String::new();
    writeln!(table, "{:<29}  {:<11} {:>9} {:>9} {:>11}  world", "id", "kind", "players", "records", "size")?;
    for Row { id, state, problem, about } in rows {
        let id = id.to_string();
        match about {
            None => write!(table, "{id:<29}  {state:<11}")?,
            Some(About { kind, players, records, bytes, world, .. }) => {
                let size = super::human(*bytes);
                write!(table, "{id:<29}  {kind:<11} {players:>9} {records:>9} {size:>11}  {world}")?;
            }
        }
        match problem {
            Some(problem) => writeln!(table, "  broken: {problem}")?,
            None => writeln!(table)?,
        }
    }
    Ok(table)
}
