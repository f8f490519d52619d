//! What a terminal shows meanwhile: one bar on standard error, which goes when the work is done.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub enum Counting {
    /// Players, of this many when it is known.
    Players(Option<u64>),
    /// Bytes of files, of this many.
    Bytes(u64),
}

/// A bar for `what`. It is invisible where nobody looks: in a file, in a pipe, and when JSON is wanted.
pub fn bar(what: &'static str, counting: Counting, wanted: bool) -> ProgressBar {
    if !wanted || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (length, template) = match counting {
        Counting::Players(None) => (None, "{msg:<10} {human_pos} players  {per_sec}"),
        Counting::Players(Some(players)) => {
            (Some(players), "{msg:<10} {bar:30} {human_pos}/{human_len} players  {per_sec}  {eta} left")
        }
        Counting::Bytes(bytes) => {
            (Some(bytes), "{msg:<10} {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left")
        }
    };
    let style = ProgressStyle::with_template(template).expect("the templates are constant");
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr_with_hz(8)).with_style(style);
    bar.with_message(what)
}
