//! Starts a Cassandra, for measuring and for trying things out, and prints the start of its URLs. It goes with the end of the
//! input: `cargo run -p darkages-servers --example cassandra`, then Ctrl-D.

use std::io::Read as _;

use darkages_servers::cassandra;

fn main() -> std::io::Result<()> {
    println!("{}", cassandra::url("world", ""));
    std::io::stdin().read_to_end(&mut Vec::new()).map(drop)
}
