//! A Cassandra to try things with: `cargo run -p darkages-servers --example cassandra`. It needs what `make cassandra` gets, prints the
//! URL of a store, and goes with its input: when that ends, or with Ctrl-C.

use std::io::{self, Read as _};

use darkages_servers::cassandra;

fn main() -> io::Result<()> {
    let node = cassandra::Node::start();
    println!("{}", node.url("world", ""));
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}
