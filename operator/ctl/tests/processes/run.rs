//! Runs of `darkages local --processes`, one at a time.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use darkages_servers::redis;
use serde_json::{Value, json};

const DARKAGES: &str = env!("CARGO_BIN_EXE_darkages");

/// A world and its bots want the machine for themselves: no other begins while this is held.
pub fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A world on this store with these flags, yet to begin.
pub fn local(store: &str, flags: &str) -> Command {
    // Beside the command's, where the build puts both.
    let binary = Path::new(DARKAGES).with_file_name("zone-server");
    assert!(binary.is_file(), "{} is not built: cargo build --bin zone-server", binary.display());
    let mut command = Command::new(DARKAGES);
    command.args(["local", "--processes", "--headless", "--json", "--store", store]).args(flags.split_whitespace());
    command
}

/// The report of a world that must have ended well: nothing lost, nothing doubled, every invariant held.
pub fn report(output: &Output) -> Value {
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

/// Runs a world with these flags, on a Redis of its own, to its end. It must end well.
pub fn run(flags: &str) -> Value {
    let _alone = alone();
    let redis = redis::single();
    report(&local(&redis.url, flags).output().expect("the built command starts"))
}
