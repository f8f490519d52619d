//! What the command says and how it ends when it is used wrongly.

use std::process::{Command, Output};

fn darkages(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_darkages")).args(arguments).output().expect("the built command starts")
}

fn complaint(arguments: &[&str]) -> String {
    let output = darkages(arguments);
    let said = String::from_utf8(output.stderr).expect("messages are text");
    assert_eq!(output.status.code(), Some(2), "{arguments:?} said {said}");
    assert_eq!(said.lines().count(), 1, "{arguments:?} must say one line, not {said}");
    assert!(output.stdout.is_empty(), "{arguments:?} must print nothing else");
    said
}

#[test]
fn the_version_is_printed() {
    let output = darkages(&["version"]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("darkages {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn unknown_flags_and_commands_are_named_in_one_line() {
    assert!(complaint(&["version", "--jsno"]).contains("--jsno"));
    assert!(complaint(&["vresion"]).contains("vresion"));
}
