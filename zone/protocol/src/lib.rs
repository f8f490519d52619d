//! The wire protocol between clients and zones: messages, snapshots and connect tokens.
