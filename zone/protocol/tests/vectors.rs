//! Golden bytes: what this crate writes today is what other languages were told, in `tests/vectors/*.json`.
//!
//! The Python client's tests read the same files. A change of the bytes is a change of the protocol: run this test with
//! `BLESS=1` to write the files anew, and change `docs/PROTOCOL.md` in the same commit.

#[path = "golden/block.rs"]
mod block;
#[path = "golden/input.rs"]
mod input;
#[path = "golden/message.rs"]
mod message;
#[path = "golden/token.rs"]
mod token;

use std::path::Path;

use serde_json::Value;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares `vectors` with the file of this name, or writes it.
fn golden(name: &str, vectors: &[Value]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(vectors).expect("values have a form") + "\n";
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).expect("the folder can be written");
    }
    let committed = std::fs::read_to_string(&path).expect("the vectors are committed");
    assert!(committed == text, "{name}: the bytes have changed; see the head of this file\n{text}");
}
