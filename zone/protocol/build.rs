//! Compiles `proto/client.proto` with a compiler written in Rust, so that nobody needs `protoc`.

use std::error::Error;

const PROTO: &str = "proto/client.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO}");
    let files = protox::compile([PROTO], ["proto"])?;
    prost_build::Config::new().compile_fds(files)?;
    Ok(())
}
