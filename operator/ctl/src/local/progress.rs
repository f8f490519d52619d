//! What the terminal shows while a world runs: a line for the world and one for each zone, or plain lines in a file.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use darkages_directory::view::WorldView;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Time between two plain lines.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Zones that get a line each; the others are counted.
const MAX_LINES: usize = 16;

/// Where progress goes. It is written to standard error, so that a report on standard output stands alone.
pub enum Progress {
    /// Lines that are drawn again and again.
    Live {
        /// All of them.
        lines: MultiProgress,
        /// The line of the world.
        world: ProgressBar,
        /// The lines of the zones.
        zones: Vec<ProgressBar>,
    },
    /// A line now and then.
    Plain {
        /// When the next one is due, since the start of the run.
        due: Duration,
    },
    /// Nothing.
    Silent,
}

impl Progress {
    /// Progress as it fits the terminal.
    pub fn new(wanted: bool) -> Self {
        if !wanted {
            return Self::Silent;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Plain { due: Duration::ZERO };
        }
        let lines = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(8));
        let world = lines.add(bar());
        Self::Live { lines, world, zones: Vec::new() }
    }

    /// Says something once, unless nothing is wanted.
    pub fn say(&self, text: &str) {
        match self {
            Self::Live { lines, .. } => {
                // A terminal that is gone is no reason to stop a world.
                let _ = lines.println(text);
            }
            Self::Plain { .. } => plain(text),
            Self::Silent => {}
        }
    }

    /// Shows the world as it is `elapsed` after the start of a run of `length`.
    pub fn show(&mut self, view: &WorldView, elapsed: Duration, length: Option<Duration>) {
        match self {
            Self::Silent => {}
            Self::Plain { due } => {
                if elapsed >= *due {
                    *due = elapsed + PLAIN_EVERY;
                    plain(&world_line(view, elapsed, length));
                }
            }
            Self::Live { lines, world, zones } => {
                world.set_message(world_line(view, elapsed, length));
                let shown = view.zones.len().min(MAX_LINES);
                while zones.len() < shown {
                    zones.push(lines.add(bar()));
                }
                for surplus in zones.drain(shown..) {
                    lines.remove(&surplus);
                }
                for (line, zone) in zones.iter().zip(&view.zones) {
                    let most = view.zones.iter().map(|zone| zone.players).max().unwrap_or(0).max(1);
                    let name = zone.zone.as_ref().map_or("no zone", |zone| &zone.zone.0);
                    line.set_message(format!(
                        "  {:<4} {name:<9} {:>5} {:<20} {:>5.1} ms  {}",
                        zone.shard.to_string(),
                        zone.players,
                        gauge(zone.players, most),
                        f64::from(zone.tick_p99_us) / 1_000.0,
                        zone.state.label(),
                    ));
                }
            }
        }
    }

    /// Takes the lines away.
    pub fn finish(&mut self) {
        if let Self::Live { lines, world, zones } = self {
            for line in zones.iter().chain([&*world]) {
                line.finish_and_clear();
            }
            let _ = lines.clear();
        }
        *self = Self::Silent;
    }
}

fn bar() -> ProgressBar {
    ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{msg}").expect("the template is constant"))
}

fn plain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn world_line(view: &WorldView, elapsed: Duration, length: Option<Duration>) -> String {
    let clock = match length {
        Some(length) if elapsed > length => "closing".to_owned(),
        Some(length) => format!("{:>4}/{} s", elapsed.as_secs(), length.as_secs()),
        None => format!("{:>4} s", elapsed.as_secs()),
    };
    let grounds = view.zones.iter().filter(|zone| zone.bounds.is_some()).count();
    format!(
        "{clock}  {} players  {grounds} zone{}  {} on standby  tick p99 {:.1} ms  map {}",
        view.players(),
        if grounds == 1 { "" } else { "s" },
        view.standby,
        f64::from(view.tick_p99_us()) / 1_000.0,
        view.revision,
    )
}

/// A bar of up to twenty blocks.
fn gauge(value: u32, most: u32) -> String {
    const WIDTH: u32 = 20;
    let full = (u64::from(value) * u64::from(WIDTH)).div_ceil(u64::from(most)) as usize;
    "━".repeat(full.min(WIDTH as usize))
}

#[cfg(test)]
mod tests {
    use darkages_topology::{Position, Rect};

    use super::*;

    #[test]
    fn the_line_of_the_world_fits_a_terminal() {
        let ground = Rect::new(Position::from_metres(0, 0), Position::from_metres(1, 1)).expect("it has an area");
        let line = world_line(&WorldView::unknown(ground), Duration::from_secs(7), Some(Duration::from_secs(60)));
        assert_eq!(line, "   7/60 s  0 players  0 zones  0 on standby  tick p99 0.0 ms  map r0");
        assert!(line.len() < 100);
    }

    #[test]
    fn a_gauge_shows_the_least_and_the_most() {
        assert_eq!(gauge(0, 10), "");
        assert_eq!(gauge(1, 1_000), "━");
        assert_eq!(gauge(10, 10).chars().count(), 20);
    }
}
