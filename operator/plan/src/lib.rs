//! The planner: an observed world flows in, a plan flows out.
//!
//! Pure: no clock, no I/O, no randomness. The caller observes, passes the time, and applies what the plan says by
//! compare-and-swap on the shard map; zones then converge to the map by handing players over. Nothing here is needed to
//! finish an operation that was begun: the map and the zones' reports say what is left.

#![forbid(unsafe_code)]

pub mod config;
pub mod cost;
pub mod cut;
pub mod sight;

pub use config::{ConfigError, PlanConfig};
pub use cost::{CostModel, TickBreakdown};
pub use cut::{Cut, CutRules, Infeasible, SideForecast};
