//! A world small enough for a test: snapshots against acknowledged baselines, two zones over loopback, and a directory.

#![allow(dead_code, reason = "each test file uses its own part")]

pub mod directory;
pub mod feed;
pub mod world;
