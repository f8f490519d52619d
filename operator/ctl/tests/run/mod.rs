//! A run of `darkages local --processes` on a Redis of its own.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use darkages_servers::redis;
use serde_json::{Value, json};

const DARKAGES: &str = env!("CARGO_BIN_EXE_darkages");

/// A world and its bots want the machine for themselves.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs a world with these flags to its end. It must end well: nothing lost, nothing doubled, every invariant held.
pub fn run(flags: &str) -> Value {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // Beside the command's, where the build puts both.
    let binary = Path::new(DARKAGES).with_file_name("zone-server");
    assert!(binary.is_file(), "{} is not built: cargo build --bin zone-server", binary.display());
    let redis = redis::single();
    let output = Command::new(DARKAGES)
        .args(["local", "--processes", "--headless", "--json", "--store", &redis.url])
        .args(flags.split_whitespace())
        .output()
        .expect("the built command starts");
    let said = String::from_utf8_lossy(&output.stderr);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    for nothing in ["acked_lost", "acked_duplicated", "items_duplicated"] {
        assert_eq!(report[nothing], 0, "{nothing}: {report:#}\n{said}");
    }
    assert_eq!(report["violations"], json!([]), "{report:#}\n{said}");
    assert_eq!((&report["gold_compared"], &report["gold_after"]), (&json!(true), &report["gold_before"]));
    assert_eq!(output.status.code(), Some(0), "{said}");
    report
}
