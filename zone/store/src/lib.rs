//! The store port: who owns what, and what survives a crash.
