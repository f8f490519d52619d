//! The built command, with and without the variable that says where the store is.

use std::process::{Command, Output};

use serde_json::Value;

/// The variable under which every command finds its store.
pub const VARIABLE: &str = "DARKAGES_STORE";

pub fn run(arguments: &[&str], variable: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_darkages"));
    command.args(arguments).env_remove(VARIABLE);
    if let Some(url) = variable {
        command.env(VARIABLE, url);
    }
    command.output().expect("the built command starts")
}

/// What it printed when it went well.
pub fn succeed(arguments: &[&str], variable: Option<&str>) -> String {
    let output = run(arguments, variable);
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(0), "{arguments:?} said {err}{out}");
    out
}

pub fn json(arguments: &[&str], variable: Option<&str>) -> Value {
    serde_json::from_str(&succeed(&[arguments, &["--json"]].concat(), variable)).expect("--json prints JSON")
}

/// The one line that it said about bad input.
pub fn complaint(arguments: &[&str], variable: Option<&str>) -> String {
    let output = run(arguments, variable);
    let said = text(output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?} said {said}");
    assert_eq!(said.lines().count(), 1, "{arguments:?} must say one line, not {said}");
    said
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("messages are text")
}
