//! `darkages local --processes`: zones as processes that are killed again and again, on a real Redis.

use std::path::Path;
use std::process::Command;

use darkages_servers::redis::Server;

const DARKAGES: &str = env!("CARGO_BIN_EXE_darkages");

#[test]
fn zones_are_killed_and_nothing_acknowledged_is_lost() {
    // Beside the command's, where the build puts both.
    let binary = Path::new(DARKAGES).with_file_name("zone-server");
    assert!(binary.is_file(), "{} is not built: cargo build --bin zone-server", binary.display());
    let redis = Server::start(&["--appendfsync", "always"]);
    let flags =
        "local --processes --players 40 --workload trade --zones 2 --seconds 30 --kill zone:every=7s --headless --json";
    let output = Command::new(DARKAGES)
        .args(flags.split_whitespace())
        .args(["--store", &format!("redis://{}", redis.address())])
        .output()
        .expect("the built command starts");
    let said = String::from_utf8_lossy(&output.stderr);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    assert!(report["kills"].as_u64() >= Some(2), "{report:#}");
    assert!(report["trades"]["done"].as_u64() >= Some(20), "{report:#}");
    for nothing in ["acked_lost", "acked_duplicated", "items_duplicated"] {
        assert_eq!(report[nothing], 0, "{nothing}: {report:#}");
    }
    assert_eq!(report["violations"], serde_json::json!([]), "{report:#}");
    assert_eq!(output.status.code(), Some(0), "{said}");
}
