//! What becomes of a `ZoneServer`: observe → plan → apply → status, ten times a second for each, by a steward of its own.

pub mod certificate;
pub mod children;
pub mod chronicle;
pub mod names;
pub mod office;
pub mod pod;
pub mod pods;
pub mod rival;
pub mod settings;
pub mod status;
pub mod steward;
pub mod store;
pub mod zones;
