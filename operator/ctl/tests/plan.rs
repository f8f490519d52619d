//! `darkages plan` as a user runs it.

use std::io::Write as _;
use std::process::{Command, Output};

use tempfile::NamedTempFile;

/// A crowd of 400 in a square of 40 m and 200 players far around it, without any randomness.
fn crowd() -> String {
    let mut text = "x,y\n".to_owned();
    for player in 0..600 {
        let (x, y) = match player {
            0..400 => (380 + player % 20 * 2, 480 + player / 20 * 2),
            _ => (player * 73 % 1000, player * 157 % 1000),
        };
        text += &format!("{x},{y}\n");
    }
    text
}

fn plan(content: &str, arguments: &[&str]) -> Output {
    let mut file = NamedTempFile::new().expect("there is room for a small file");
    file.write_all(content.as_bytes()).expect("there is room for a small file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_darkages"));
    command.args(["plan", "--positions"]).arg(file.path()).args(arguments);
    command.output().expect("the built command starts")
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("the command writes text")
}

#[test]
fn the_cut_is_printed_for_people() {
    let output = plan(&crowd(), &["--bounds", "0,0,1000,1000"]);
    assert!(output.status.success());
    insta::assert_snapshot!(text(output.stdout));
}

#[test]
fn the_cut_is_printed_for_programs() {
    let output = plan(&crowd(), &["--bounds", "0,0,1000,1000", "--split-at", "700", "--json"]);
    assert!(output.status.success());
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("--json prints JSON");
    assert_eq!(answer["due"], false);
    assert_eq!(answer["now"]["players"], 600);
    let players = |side: &str| answer["cut"][side]["players"].as_u64().expect("a side has players");
    assert_eq!(players("low") + players("high"), 600);
    assert!(players("low").min(players("high")) >= 180, "each side keeps 30 %");
}

#[test]
fn a_crowd_that_cannot_be_cut_is_explained() {
    let output = plan(&"5,5\n".repeat(600), &["--bounds", "0,0,1000,1000"]);
    assert!(output.status.success());
    assert!(text(output.stdout).contains("SplitInfeasible: no line keeps 30 % of the players"));
}

#[test]
fn bad_input_is_one_line_that_names_the_field() {
    let cases: [(&str, &[&str], &str); 7] = [
        ("1,2\n3,x\n", &[], "line 2: y is \"x\""),
        ("", &[], "no positions"),
        ("[[1,2],[3]]", &[], "element 1"),
        ("1,2\n", &["--split-at", "0"], "--split-at is 0: give 1 or more"),
        ("1,2\n", &["--bounds", "9,0,1,1"], "minX must be less than maxX"),
        ("1,2\n", &["--bounds", "5,5,6,6"], "line 1: (1, 2) lies outside --bounds"),
        ("1,2\n", &["--min-extent", "-3"], "split.minExtent is -3"),
    ];
    for (content, arguments, expected) in cases {
        let output = plan(content, arguments);
        let said = text(output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(expected), "{said}");
    }
}
