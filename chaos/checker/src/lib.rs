//! Judges a world from outside, by what its players saw.
//!
//! What flows in is a [`History`] of what clients asked for, what they were told and what they saw, and in the end what the
//! store has; what flows out are [`Finding`]s, each with its evidence. [`bank`] judges belongings as Jepsen's bank and set
//! checkers do: what was acknowledged is there, once, and the sum is what it was. [`owners`] sees to it that nobody is
//! simulated twice. Pure: runs of bots, chaos experiments and tests use the same rules.
#![forbid(unsafe_code)]

pub mod bank;
pub mod history;
pub mod owners;

pub use bank::{Fault, Finding, Judgement, Scope, judge};
pub use history::{Answer, History, Holdings, Transfer};
pub use owners::Doubles;
