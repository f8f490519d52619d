//! `darkages plan`: what the planner would do with a crowd, of a world on a cluster or of no world at all.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use darkages_plan::config::CutConfig;
use darkages_plan::{CostModel, Cut, CutRules, Infeasible, PlanConfig, SideForecast};
use darkages_topology::world::UNITS_PER_METRE;
use darkages_topology::{Axis, Position, Rect, Side};
use serde::Serialize;

use crate::bounds::Bounds;
use crate::cluster::plan::{Crowd, crowd};
use crate::cluster::{ClusterFlags, ShardName};
use crate::exit::BadInput;

pub mod picture;
mod positions;

/// Show the cut that the planner would make through a crowd
#[derive(clap::Args)]
pub struct Args {
    /// A shard of a world on a cluster, like meadow/1; of meadow alone, the one with most players
    #[arg(value_name = "ZONESERVER[/SHARD]", required_unless_present = "positions")]
    shard: Option<ShardName>,

    /// Where the players stand, in metres: CSV (two columns, or a header that names x and y) or JSON ([[x, y], ...] or
    /// [{"x": .., "y": ..}, ...])
    #[arg(long, value_name = "FILE", conflicts_with = "shard")]
    positions: Option<PathBuf>,

    /// Ground of the shard in metres; without it, the whole metres around the players
    #[arg(long, value_name = "minX,minY,maxX,maxY", allow_hyphen_values = true, conflicts_with = "shard")]
    bounds: Option<String>,

    /// Players above which a shard is split; those of the ZoneServer, or 500
    #[arg(long, value_name = "N")]
    split_at: Option<u32>,

    /// Least extent of a shard in metres; that of the ZoneServer, or 100
    #[arg(long, value_name = "METRES", allow_hyphen_values = true)]
    min_extent: Option<i32>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    cluster: ClusterFlags,
}

pub fn run(args: Args) -> anyhow::Result<()> {
    let Args { shard, positions, bounds, split_at, min_extent, json, cluster } = args;
    if split_at == Some(0) {
        return Err(BadInput::new("--split-at is 0: give 1 or more players").into());
    }
    let limits =
        CutConfig { min_extent_m: min_extent.unwrap_or(CutConfig::default().min_extent_m), ..CutConfig::default() };
    limits.validate().map_err(|error| BadInput::new(format!("--min-extent: {error}")))?;
    let crowd = match (shard, positions) {
        (Some(shard), _) => crowd(&shard, cluster)?,
        (None, Some(positions)) => {
            let bounds = bounds.map(|text| text.parse::<Bounds>()).transpose()?;
            let players = positions::read(&positions, bounds.as_ref().map(|bounds| bounds.0))?;
            let ground = bounds.map_or_else(|| around(&players), |bounds| bounds.0);
            Crowd { ground, players, split_at: PlanConfig::default().split.max_players, config: CutConfig::default() }
        }
        (None, None) => return Err(BadInput::new("give a shard like meadow/1, or --positions FILE").into()),
    };
    let Crowd { ground, players, split_at: limit, config } = crowd;
    let config = CutConfig { min_extent_m: min_extent.unwrap_or(config.min_extent_m), ..config };
    let answer = Answer::of(&config, ground, &players, split_at.unwrap_or(limit));
    let text = if json { serde_json::to_string_pretty(&answer)? + "\n" } else { answer.page(&players)? };
    std::io::stdout().write_all(text.as_bytes()).context("writing the plan")
}

/// The smallest rectangle of whole metres in which all players stand.
fn around(players: &[Position]) -> Rect {
    let low = |axis: Axis| players.iter().map(|&at| axis.of(at)).min().unwrap_or(0).div_euclid(UNITS_PER_METRE);
    let high = |axis: Axis| players.iter().map(|&at| axis.of(at)).max().unwrap_or(0).div_euclid(UNITS_PER_METRE) + 1;
    Rect {
        min: Position::from_metres(low(Axis::X), low(Axis::Y)),
        max: Position::from_metres(high(Axis::X), high(Axis::Y)),
    }
}

/// The answer, as `--json` prints it. Places are in metres.
#[derive(Serialize)]
struct Answer {
    /// minX, minY, maxX, maxY.
    bounds: [f64; 4],
    split_at: u32,
    /// Whether there are more players than `split_at`.
    due: bool,
    now: SideForecast,
    /// The cut, when there is one.
    cut: Option<CutAnswer>,
    /// Why there is no cut, when there is none.
    infeasible: Option<Infeasible>,
    #[serde(skip)]
    ground: Rect,
}

#[derive(Serialize)]
struct CutAnswer {
    axis: Axis,
    at: f64,
    /// The side that would go to another zone.
    moved: Side,
    low: SideForecast,
    high: SideForecast,
    #[serde(skip)]
    cut: Cut,
}

impl Answer {
    fn of(config: &CutConfig, ground: Rect, players: &[Position], split_at: u32) -> Self {
        let costs = CostModel::default();
        let rules = CutRules { config, costs: &costs };
        let now = SideForecast::of(rules, ground, &[players]);
        let found = Cut::find(rules, ground, players, &[]);
        let corners = [ground.min.x, ground.min.y, ground.max.x, ground.max.y];
        Self {
            bounds: corners.map(metres),
            split_at,
            due: now.players > split_at,
            now,
            infeasible: found.err(),
            cut: found.ok().map(|cut| {
                let Cut { axis, at, low, high } = cut;
                CutAnswer { axis, at: metres(at), moved: cut.moved_side(), low, high, cut }
            }),
            ground,
        }
    }

    /// The answer for people: what would be done, a table and a picture.
    fn page(&self, players: &[Position]) -> Result<String, fmt::Error> {
        let mut page = String::new();
        let limit = if self.due { "above" } else { "not above" };
        writeln!(page, "{} players on {}, {limit} the limit of {}", self.now.players, self.ground, self.split_at)?;
        match (&self.cut, self.infeasible) {
            (Some(CutAnswer { axis, at, moved, cut, .. }), _) => {
                let condition = if self.due { "cut" } else { "if a cut were due, it would be" };
                let side = label(*moved);
                writeln!(
                    page,
                    "{condition} at {axis} = {at} m; the {side} side moves ({} players)",
                    cut.moved_players()
                )?;
            }
            (None, Some(infeasible)) => writeln!(page, "SplitInfeasible: {infeasible}")?,
            (None, None) => {}
        }
        writeln!(page, "\n{:<6}{:>9}{:>9}{:>11}{:>13}  ground", "side", "players", "ghosts", "views", "tick cost")?;
        row(&mut page, "now", &self.now, self.ground)?;
        if let Some(CutAnswer { axis, cut, .. }) = &self.cut
            && let Some((low, high)) = self.ground.cut(*axis, cut.at)
        {
            row(&mut page, label(Side::Low), &cut.low, low)?;
            row(&mut page, label(Side::High), &cut.high, high)?;
        }
        let line = self.cut.as_ref().map(|answer| (answer.axis, answer.cut.at));
        write!(page, "\n{}", picture::draw(self.ground, players, line))?;
        Ok(page)
    }
}

fn row(page: &mut String, side: &str, forecast: &SideForecast, ground: Rect) -> fmt::Result {
    let SideForecast { players, ghosts, views, cost_ms } = forecast;
    writeln!(page, "{side:<6}{players:>9}{ghosts:>9}{views:>11}{cost_ms:>10.3} ms  {ground}")
}

const fn label(side: Side) -> &'static str {
    match side {
        Side::Low => "low",
        Side::High => "high",
    }
}

fn metres(units: i32) -> f64 {
    f64::from(units) / f64::from(UNITS_PER_METRE)
}
