//! `darkages top`: the zones of worlds by what they have to do.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use darkages_crds::picture::{WorldPicture, ZonePicture};
use kube::ResourceExt as _;
use serde_json::json;

use super::{Cluster, ClusterFlags, on, split_at};

/// Show the zones of a world on a cluster, the fullest first: players, ticks, ghosts, handoffs
#[derive(clap::Args)]
pub struct Args {
    /// The ZoneServer; all of the namespace when left out
    #[arg(value_name = "ZONESERVER")]
    name: Option<String>,

    /// Show it again every second until it is interrupted
    #[arg(long, short = 'w', conflicts_with = "json")]
    watch: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    cluster: ClusterFlags,
}

/// Between two pages of `--watch`.
const PAGE_EVERY: Duration = Duration::from_secs(1);

pub fn run(args: Args) -> anyhow::Result<()> {
    let Args { name, watch, json, cluster } = args;
    on(cluster, async |cluster| {
        loop {
            let text = page(&cluster, name.as_deref(), json).await?;
            let mut out = std::io::stdout();
            if watch && out.is_terminal() {
                // From the top of an empty screen.
                write!(out, "\x1b[2J\x1b[H").context("writing the table")?;
            }
            out.write_all(text.as_bytes()).context("writing the table")?;
            if !watch {
                return Ok(());
            }
            tokio::time::sleep(PAGE_EVERY).await;
        }
    })
}

async fn page(cluster: &Cluster, name: Option<&str>, json: bool) -> anyhow::Result<String> {
    let mut rows = Vec::new();
    for zone_server in cluster.named_or_all(name).await? {
        let name = zone_server.name_any();
        let picture = cluster.picture(&name).await?;
        rows.extend(rows_of(&name, split_at(&zone_server.spec), picture));
    }
    if json {
        let rows: Vec<_> = rows
            .iter()
            .map(|Row { world, limit, zone }| {
                json!({
                    "zoneServer": world, "zone": zone.zone, "shard": zone.shard, "state": zone.state.label(),
                    "players": zone.positions.len(), "splitAt": limit, "ghosts": zone.ghosts,
                    "openHandoffs": zone.open_handoffs, "tickWorkP95Us": zone.tick_work_p95_us,
                    "tickP99Us": zone.tick_p99_us, "draining": zone.draining, "silentForMs": zone.silent_for_ms,
                })
            })
            .collect();
        return Ok(serde_json::to_string_pretty(&rows)? + "\n");
    }
    Ok(table(&rows))
}

struct Row {
    world: String,
    limit: u32,
    zone: ZonePicture,
}

fn rows_of(world: &str, limit: u32, picture: WorldPicture) -> Vec<Row> {
    let mut zones = picture.zones;
    zones.sort_by_key(|zone| (std::cmp::Reverse(zone.positions.len()), zone.shard));
    zones.into_iter().map(|zone| Row { world: world.to_owned(), limit, zone }).collect()
}

fn table(rows: &[Row]) -> String {
    let wide = |texts: &dyn Fn(&Row) -> usize, head: &str| rows.iter().map(texts).max().unwrap_or(0).max(head.len());
    let (zones, worlds) = (wide(&|row| row.zone.zone.len(), "ZONE"), wide(&|row| row.world.len(), "ZONESERVER"));
    let mut table = format!(
        "{:<worlds$}  {:<zones$}  {:>6}  {:<9}  {:>11}  {:>7}  {:>7}  {:>8}  {:>8}\n",
        "ZONESERVER", "ZONE", "SHARD", "STATE", "PLAYERS", "GHOSTS", "MOVING", "WORK-P95", "TICK-P99"
    );
    for Row { world, limit, zone } in rows {
        let ms = |micros: u32| format!("{:.1}ms", f64::from(micros) / 1_000.0);
        let shard = zone.shard.map_or_else(|| "-".to_owned(), |shard| shard.to_string());
        let players = format!("{}/{limit}", zone.positions.len());
        let state = if zone.draining { "draining" } else { zone.state.label() };
        let _ = writeln!(
            table,
            "{world:<worlds$}  {:<zones$}  {shard:>6}  {state:<9}  {players:>11}  {:>7}  {:>7}  {:>8}  {:>8}",
            zone.zone,
            zone.ghosts,
            zone.open_handoffs,
            ms(zone.tick_work_p95_us),
            ms(zone.tick_p99_us)
        );
    }
    table
}
