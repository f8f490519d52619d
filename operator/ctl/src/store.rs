//! `darkages store`: looks after where a world is kept.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use clap::Subcommand;
use darkages_store::StoreUrl;
use darkages_store::inventory::{Family, Inventory, Retention, Rows, inventory};
use serde_json::{Value, json};

use crate::backup::place::NAME;
use crate::exit::BadInput;
use crate::store_flags::{StoreFlags, Told};

/// Look at a store
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Show(Show),
}

/// Show what a store keeps: how many records of each sort, for how long, how old the oldest is, and the version of its format
///
/// Nothing is changed, and zones may play on. Records are counted; where there are too many, more than or about so many are
/// told. --store may also name the file of a world, such as data/world.redb, which no process may have open.
#[derive(clap::Args)]
struct Show {
    #[command(flatten)]
    store: StoreFlags,

    /// The name of the world
    #[arg(long, value_name = "NAME", default_value = NAME)]
    world: String,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let Command::Show(Show { store, world, json }) = args.command;
    let Told { by, url } = store.needed()?;
    let complain = |error: &dyn std::fmt::Display| BadInput::new(format!("{by}: {error}"));
    let url: StoreUrl = url.reveal().parse().map_err(|error| complain(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let tiers = runtime.block_on(inventory(&url, &world)).map_err(|error| complain(&error))?;
    let text = if json { as_json(&world, &tiers)? } else { as_text(&world, &tiers) };
    writeln!(std::io::stdout(), "{text}").context("writing what the store keeps")
}

fn as_json(world: &str, tiers: &[Inventory]) -> anyhow::Result<String> {
    let family = |Family { name, what, rows, kept, oldest }: &Family| {
        let (rows, counted) = match rows {
            Rows::Exact(rows) => (rows, "exact"),
            Rows::MoreThan(rows) => (rows, "more_than"),
            Rows::Estimate(rows) => (rows, "estimate"),
        };
        let oldest = oldest.map(|age| age.as_secs());
        json!({
            "name": name, "what": what, "rows": rows, "counted": counted, "kept": retention_json(*kept),
            "oldest_age_seconds": oldest,
        })
    };
    let tier = |Inventory { tier, place, version, supported, families }: &Inventory| {
        let families: Vec<Value> = families.iter().map(family).collect();
        json!({ "tier": tier, "place": place, "version": version, "supported": supported, "families": families })
    };
    let tiers: Vec<Value> = tiers.iter().map(tier).collect();
    serde_json::to_string_pretty(&json!({ "world": world, "tiers": tiers })).context("writing JSON")
}

fn retention_json(kept: Retention) -> Value {
    match kept {
        Retention::Forever => json!({ "for": "ever" }),
        Retention::For(time) => json!({ "for": "time", "seconds": time.as_secs() }),
        Retention::UntilTheyExpire => json!({ "for": "own_life" }),
        Retention::NewestOfPlayer { records } => json!({ "for": "newest_of_player", "records": records }),
        Retention::NewestOfShard { records, bytes } => {
            json!({ "for": "newest_of_shard", "records": records, "bytes": bytes })
        }
    }
}

fn as_text(world: &str, tiers: &[Inventory]) -> String {
    let mut text = format!("world {world}");
    for Inventory { tier, place, version, supported, families } in tiers {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n\n{tier}  {place}  format {version}, this version reads up to {supported}\n");
        let _ = write!(text, "  {:<10} {:>12}  {:<38} {:<14} what", "name", "records", "kept", "oldest");
        for Family { name, what, rows, kept, oldest } in families {
            let oldest = oldest.map_or_else(|| "-".to_owned(), age);
            let _ = write!(text, "\n  {name:<10} {:>12}  {:<38} {oldest:<14} {what}", count(*rows), retention(*kept));
        }
    }
    text
}

fn count(rows: Rows) -> String {
    match rows {
        Rows::Exact(rows) => rows.to_string(),
        Rows::MoreThan(rows) => format!(">{rows}"),
        Rows::Estimate(rows) => format!("~{rows}"),
    }
}

fn retention(kept: Retention) -> String {
    match kept {
        Retention::Forever => "for ever".to_owned(),
        Retention::For(time) => age(time),
        Retention::UntilTheyExpire => "until each expires".to_owned(),
        Retention::NewestOfPlayer { records } => format!("the newest {records} of a player"),
        Retention::NewestOfShard { records, bytes: None } => format!("the newest {records} of a shard"),
        Retention::NewestOfShard { records, bytes: Some(bytes) } => {
            format!("the newest {records} or {} MiB of a shard", bytes / (1024 * 1024))
        }
    }
}

/// A time in the largest unit that tells it to within a few percent.
fn age(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiers() -> Vec<Inventory> {
        let family = |name, rows, kept, oldest| Family { name, what: "something", rows, kept, oldest };
        let day = Duration::from_secs(86_400);
        vec![Inventory {
            tier: "cql",
            place: "cql://h:9042/world".to_owned(),
            version: 2,
            supported: 2,
            families: vec![
                family("owners", Rows::Exact(12), Retention::Forever, None),
                family("journal", Rows::Estimate(3_000_000), Retention::For(30 * day), Some(29 * day)),
                family("events", Rows::MoreThan(200_000), Retention::For(3 * day), Some(day / 2)),
                family("requests", Rows::Exact(3), Retention::NewestOfPlayer { records: 32 }, None),
                family(
                    "log",
                    Rows::Exact(7),
                    Retention::NewestOfShard { records: 9, bytes: Some(64 << 20) },
                    Some(day / 500),
                ),
                family("nonces", Rows::Exact(0), Retention::UntilTheyExpire, None),
            ],
        }]
    }

    #[test]
    fn people_read_it_as_a_table() {
        insta::assert_snapshot!(as_text("local", &tiers()), @r"
        world local

        cql  cql://h:9042/world  format 2, this version reads up to 2
          name            records  kept                                   oldest         what
          owners               12  for ever                               -              something
          journal        ~3000000  30 days                                29 days        something
          events          >200000  3 days                                 12 h           something
          requests              3  the newest 32 of a player              -              something
          log                   7  the newest 9 or 64 MiB of a shard      2 min          something
          nonces                0  until each expires                     -              something
        ");
    }

    #[test]
    fn scripts_read_how_rows_were_counted_and_for_how_long_they_are_kept() {
        let json: Value = serde_json::from_str(&as_json("local", &tiers()).expect("JSON")).expect("JSON");
        let families = &json["tiers"][0]["families"];
        assert_eq!((&families[0]["counted"], &families[0]["kept"]["for"]), (&json!("exact"), &json!("ever")));
        assert_eq!((&families[1]["counted"], &families[1]["rows"]), (&json!("estimate"), &json!(3_000_000)));
        assert_eq!(families[1]["kept"], json!({ "for": "time", "seconds": 30 * 86_400 }));
        assert_eq!(families[1]["oldest_age_seconds"], json!(29 * 86_400));
        assert_eq!(families[2]["counted"], json!("more_than"));
        assert_eq!(families[4]["kept"]["bytes"], json!(64 << 20));
    }
}
