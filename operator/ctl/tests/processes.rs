//! `darkages local --processes`: zones as processes that are killed again and again, on a real Redis.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const DARKAGES: &str = env!("CARGO_BIN_EXE_darkages");

/// How long a server may take to listen.
const DEADLINE: Duration = Duration::from_secs(20);

/// A Redis of this test; killed when the test ends in any way.
struct Redis {
    process: Child,
    port: u16,
}

impl Redis {
    fn start(folder: &Path) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = free.local_addr().expect("it is bound").port();
        drop(free);
        let process = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
                "--dir",
            ])
            .arg(folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed: make unit does so");
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < DEADLINE, "redis-server does not listen");
            std::thread::park_timeout(Duration::from_millis(10));
        }
        Self { process, port }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn zones_are_killed_and_nothing_acknowledged_is_lost() {
    // Beside the command's, where the build puts both.
    let binary = Path::new(DARKAGES).with_file_name("zone-server");
    assert!(binary.is_file(), "{} is not built: cargo build --bin zone-server", binary.display());
    let folder = tempfile::tempdir().expect("a directory can be made");
    let redis = Redis::start(folder.path());
    let flags =
        "local --processes --players 40 --workload trade --zones 2 --seconds 30 --kill zone:every=7s --headless --json";
    let output = Command::new(DARKAGES)
        .args(flags.split_whitespace())
        .args(["--store", &redis.url()])
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
