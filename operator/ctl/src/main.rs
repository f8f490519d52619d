//! The `darkages` command.

fn main() {}
