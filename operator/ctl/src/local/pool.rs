//! The zones of this process: as many threads as the map needs, and one more that waits.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use darkages_plan::TickBreakdown;
use darkages_server::handle::{HandleError, ZoneHandle};
use darkages_server::stats::{Stage, StageTimes, Totals, ZoneState, ZoneStats};
use darkages_server::{ZoneConfig, zone};
use darkages_sim::DefaultGame;
use darkages_store::Store;
use darkages_topology::{Topology, ZoneEndpoint, ZoneId};
use darkages_transport::FaultPlan;

use super::pilot::{Order, behind};
use super::zones::{Life, Look};

/// Zones that one run starts, at most: each is a thread and a socket, and those that are over are used again.
const MAX_ZONES: usize = 256;

/// What all zones of a run have in common.
pub struct PoolConfig {
    /// The key that tokens are sealed with.
    pub world_key: [u8; 32],
    /// Seed of the worlds' randomness.
    pub seed: u64,
    /// Players that one zone takes in, at most.
    pub capacity: usize,
    /// What happens to datagrams.
    pub fault: Option<FaultPlan>,
    /// Number of the first zone. Higher than any that the stored map names, so that a name stands for one process only.
    pub first: u32,
}

/// The zones.
pub struct Pool {
    config: PoolConfig,
    store: Arc<dyn Store>,
    runtime: tokio::runtime::Handle,
    zones: Vec<ZoneHandle>,
}

impl Pool {
    /// No zones yet.
    pub const fn new(config: PoolConfig, store: Arc<dyn Store>, runtime: tokio::runtime::Handle) -> Self {
        Self { config, store, runtime, zones: Vec::new() }
    }

    /// Sees to it that `wanted` zones are on standby, unless there are as many as may be.
    pub fn keep_standby(&mut self, looks: &[Look], wanted: usize) -> anyhow::Result<()> {
        let standby = looks.iter().filter(|look| look.life == Life::Standby).count();
        for _ in standby..wanted {
            if self.zones.len() >= MAX_ZONES {
                tracing::warn!(zones = self.zones.len(), "no more zones are started");
                break;
            }
            self.start()?;
        }
        Ok(())
    }

    fn start(&mut self) -> anyhow::Result<()> {
        let number = self.config.first + u32::try_from(self.zones.len()).context("counting zones")?;
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let id = ZoneId(format!("zone-{number}"));
        let mut config = ZoneConfig::new(id, listen, self.config.world_key);
        config.seed = self.config.seed.wrapping_add(u64::from(number));
        config.capacity = self.config.capacity;
        // Each zone draws its own faults, or all of them would lose the same datagrams.
        config.fault =
            self.config.fault.clone().map(|fault| FaultPlan { seed: fault.seed ^ u64::from(number), ..fault });
        let handle = zone::spawn::<DefaultGame>(config, Arc::clone(&self.store), &self.runtime)
            .with_context(|| format!("starting zone-{number}"))?;
        self.zones.push(handle);
        Ok(())
    }

    /// What all zones say of themselves.
    pub fn looks(&self) -> Vec<Look> {
        self.zones.iter().map(|zone| look(zone.endpoint(), &zone.stats())).collect()
    }

    /// Tells zones what the map wants of them and they do not know yet. A zone that is too busy to listen is told again at
    /// the next look.
    pub fn obey(&self, map: &Arc<Topology>, looks: &[Look]) {
        for order in behind(map, looks) {
            let (look, told) = match order {
                Order::Assign(look, shard) => (look, self.find(look).map(|zone| zone.assign(shard, Arc::clone(map)))),
                Order::Push(look) => {
                    (look, self.find(look).map(|zone| zone.push_topology(Arc::clone(map)).map(|_| ())))
                }
            };
            if let Some(Err(HandleError::Busy)) = told {
                tracing::debug!(zone = %look.endpoint.zone, "the zone is busy");
            }
        }
    }

    fn find(&self, look: &Look) -> Option<&ZoneHandle> {
        self.zones.iter().find(|zone| *zone.endpoint() == look.endpoint)
    }

    /// What all zones have done in their lives.
    pub fn totals(&self) -> Vec<Totals> {
        self.zones.iter().map(ZoneHandle::totals).collect()
    }

    /// Lets all zones save their players and end, at the same time.
    pub fn shutdown(&self) {
        std::thread::scope(|scope| {
            for zone in &self.zones {
                scope.spawn(|| zone.shutdown());
            }
        });
    }
}

fn look(endpoint: &ZoneEndpoint, stats: &ZoneStats) -> Look {
    let (handles, positions): (Vec<_>, Vec<_>) = stats.positions.iter().copied().unzip();
    Look {
        endpoint: endpoint.clone(),
        shard: stats.shard,
        life: match stats.state {
            ZoneState::Unassigned => Life::Standby,
            ZoneState::Acquiring => Life::Acquiring,
            ZoneState::Serving => Life::Serving,
            ZoneState::Retiring => Life::Retiring,
            ZoneState::Stopped => Life::Over,
        },
        draining: stats.draining,
        tick: stats.tick,
        revision: stats.revision,
        open_handoffs: count(stats.handoffs),
        tick_p95: stats.ticks.work_p95,
        tick_p99: stats.ticks.p99,
        costs: breakdown(stats),
        positions,
        handles,
    }
}

/// Stages by what they grow with. Ghosts come and go within the stages of players and views and have no time of their own.
fn breakdown(stats: &ZoneStats) -> TickBreakdown {
    let StageTimes(times) = stats.ticks.stages;
    let of = |stages: &[Stage]| -> Duration {
        let taken = Stage::ALL.iter().zip(times).filter(|(stage, _)| stages.contains(stage));
        taken.map(|(_, time)| time).sum()
    };
    TickBreakdown {
        players: count(stats.players),
        views: stats.views as u64,
        ghosts: count(stats.ghosts),
        player_time: of(&[Stage::Inputs, Stage::Simulate]),
        view_time: of(&[Stage::Replicate, Stage::Send]),
        ghost_time: Duration::ZERO,
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
