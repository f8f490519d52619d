//! `darkages sim`: what it prints and how it ends.

use std::process::{Command, Output};

fn sim(arguments: &[&str]) -> Output {
    let command = Command::new(env!("CARGO_BIN_EXE_darkages")).arg("sim").args(arguments).output();
    command.expect("the built command starts")
}

#[test]
fn seeds_that_hold_end_with_zero() {
    let output = sim(&["--seeds", "4", "--from", "7", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON was asked for");
    assert_eq!(report["seeds"], 4);
    assert_eq!(report["holds"], true);
    assert!(report["stats"]["handoffs"]["completed"].as_u64() > Some(0), "{report}");
}

#[test]
fn a_broken_variant_is_named_with_its_seed_and_its_trace() {
    let output = sim(&["--seeds", "50", "--variant", "no-fencing"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let again = said.lines().last().expect("something is printed").to_owned();
    let again = again.strip_prefix("again: darkages sim ").unwrap_or_else(|| panic!("{said}"));
    assert!(said.contains("breaks I"), "{said}");
    let arguments: Vec<&str> = again.split(' ').collect();
    let second = sim(&arguments);
    assert_eq!(second.status.code(), Some(1));
    let second = String::from_utf8_lossy(&second.stdout).into_owned();
    let verdict = |said: &str| said.lines().find(|line| line.starts_with("seed ")).map(str::to_owned);
    assert_eq!(verdict(&said), verdict(&second), "the same seed must break the same rule");
    assert!(second.lines().count() > said.lines().count(), "the whole trace is longer than its end");
}

#[test]
fn impossible_numbers_are_refused_in_one_line() {
    for (arguments, field) in [
        (["--seeds", "0"], "--seeds"),
        (["--threads", "0"], "--threads"),
        (["--from", "18446744073709551615"], "from"),
        (["--variant", "none"], "--variant"),
    ] {
        let output = sim(&arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?} said {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(field), "{said}");
    }
}
