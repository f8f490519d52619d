//! A bucket instead of a directory, on a real server that speaks S3.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

use serde_json::Value;

use super::scene::{DEADLINE, Scene, darkages, text};

/// An S3 server of this test.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(program: &Path) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = free.local_addr().expect("bound").port();
        drop(free);
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the S3 server starts");
        let server = Self { child, port };
        let deadline = Instant::now() + DEADLINE;
        while ureq::put(format!("http://127.0.0.1:{port}/worlds")).send_empty().is_err() {
            assert!(Instant::now() < deadline, "the S3 server does not answer");
            std::thread::yield_now();
        }
        server
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = darkages(arguments);
        command
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port))
            .envs([("AWS_ALLOW_HTTP", "true"), ("AWS_REGION", "us-east-1")])
            .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        command.output().expect("the built command starts")
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(0), "{arguments:?} said {err}{out}");
        serde_json::from_str(&out).expect("--json prints JSON")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs an S3 server: `make s3` installs one and names it in S3_SERVER"]
fn a_bucket_keeps_backups_as_a_directory_does() {
    let program = std::env::var_os("S3_SERVER").expect("S3_SERVER names a program that takes -H HOST -p PORT");
    let (server, scene) = (Server::start(Path::new(&program)), Scene::new(3_000));
    let (world, copy) = (scene.at("world"), scene.at("copy"));
    for place in ["s3://worlds", "s3://worlds/eu/one"] {
        let create = ["create", "--data", &world, "--to", place, "--keep", "1"];
        let first = server.json(&create);
        let second = server.json(&[&create[..], &["--incremental"]].concat());
        assert_eq!(second["parent"], first["id"]);
        let third = server.json(&create);
        assert_eq!(third["removed"], serde_json::json!([second["id"], first["id"]]));
        let list = server.json(&["list", "--from", place]);
        assert_eq!(list.as_array().map(Vec::len), Some(1), "{place}: {list}");
        assert_eq!(server.json(&["verify", "--from", place])["broken"], serde_json::json!([]));
    }
    server.json(&["restore", "--from", "s3://worlds/eu/one", "--into", &copy]);
    let compared = server.json(&["verify", "--from", "s3://worlds/eu/one", "--against", &copy]);
    assert_eq!((&compared["compared"], &compared["differences"]), (&3_000.into(), &serde_json::json!([])));
    let said = server.run(&["list", "--from", "s3://nowhere"]);
    assert_eq!(said.status.code(), Some(1));
    assert_eq!(text(said.stderr).lines().count(), 1);
}
