//! The planner: an observed world flows in, a plan flows out.
//!
//! Pure: no clock, no I/O, no randomness. The caller observes, passes the time, and applies what the plan says by
//! compare-and-swap on the shard map; zones then converge to the map by handing players over. Nothing here is needed to
//! finish an operation that was begun: the map and the zones' reports say what is left ([`handover`]).

#![forbid(unsafe_code)]

pub mod change;
pub mod config;
pub mod cost;
pub mod cut;
pub mod handover;
pub mod look;
pub mod memory;
pub mod observed;
pub mod pilot;
pub mod plan;
pub mod running;
pub mod sight;

pub use change::{Change, Operation, Refusal, Refused, Why};
pub use config::{ConfigError, PlanConfig};
pub use cost::{CostModel, TickBreakdown};
pub use cut::{Cut, CutRules, Infeasible, SideForecast};
pub use handover::Handover;
pub use look::{Life, Look};
pub use observed::{Condition, Observed, Report, Signals};
pub use pilot::{Order, Pilot, Step, UnderWay, behind};
pub use plan::{Plan, Planner};
pub use running::{Phase, Running};
