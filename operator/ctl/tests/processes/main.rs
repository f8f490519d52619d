//! `darkages local --processes` on real servers: zones that are killed and frozen, stores that fail, while people play.

mod harm;
mod phases;
mod run;
mod store_faults;
