//! How a command ends: 0 when all is well, 1 when a run failed or broke an invariant, 2 when what it was given cannot be used.
//! Whatever went wrong is said in one line on standard error.

use std::io::Write as _;
use std::process::ExitCode;

/// Exit code of a run that failed.
const FAILED: u8 = 1;

/// Exit code when the input cannot be used.
const BAD_INPUT: u8 = 2;

/// What the user gave cannot be used. The message names the field or the file and the fix. Wherever it stands in a chain of
/// errors, the command ends with code 2; it must be returned before anything is overwritten.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct BadInput {
    message: String,
}

impl BadInput {
    /// Bad input described by this message, without a full stop: `split-at is 0: give 2 or more`.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// Ends the process after a command has run.
pub fn of_run(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    say(&format!("{error:#}"));
    let bad_input = error.chain().any(|cause| cause.is::<BadInput>());
    ExitCode::from(if bad_input { BAD_INPUT } else { FAILED })
}

/// Ends the process when the command line itself cannot be read, or asks for help.
pub fn of_usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Help and version go to standard output; that it is closed is no reason to fail.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let text = error.render().to_string();
    let is_complaint = |line: &&str| !line.starts_with("Usage:") && !line.starts_with("For more information");
    let complaint: Vec<&str> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).filter(is_complaint).collect();
    if !text.starts_with("error: ") {
        // Without any argument clap gives the help itself, which is more than one line on purpose.
        let _ = error.print();
        return ExitCode::from(BAD_INPUT);
    }
    let complaint = complaint.join(" ");
    of_run(Err(BadInput::new(format!("{}; try --help", complaint.trim_start_matches("error: "))).into()))
}

fn say(message: &str) {
    let line = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "error: {line}");
}
