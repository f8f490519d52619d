//! Processor time and memory of this process, by groups of threads, and of zones in processes of their own, from `/proc`.
//!
//! The swarm shares the process with the zones, so that only its threads' names tell the two apart. Threads that end take
//! their figures with them: the meter is read often enough that it misses at most the last second of each.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// Names of the swarm's threads begin like this.
const SWARM_THREADS: &str = "swarm";

/// Threads whose figures are kept, at most.
const MAX_THREADS: usize = 4_096;

/// The same for processes.
const MAX_PROCESSES: usize = 4_096;

/// Adds up what threads used.
#[derive(Debug)]
pub struct Meter {
    threads: BTreeMap<u64, Used>,
    /// Other processes that belong to the server, each with what it had used when it was last looked at.
    processes: BTreeMap<u32, u64>,
    clock_ticks_per_s: f64,
}

#[derive(Clone, Copy, Debug)]
struct Used {
    swarm: bool,
    first: u64,
    last: u64,
}

/// Processor time since the meter was made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CpuTime {
    /// Zones, store, directory and planner.
    pub server: Duration,
    /// Bots.
    pub swarm: Duration,
}

impl Meter {
    /// A meter that starts at nothing.
    pub fn new() -> Self {
        let mut meter = Self {
            threads: BTreeMap::new(),
            processes: BTreeMap::new(),
            clock_ticks_per_s: rustix::param::clock_ticks_per_second() as f64,
        };
        meter.read();
        // What was there before counts from now; a thread that comes later counts from its start.
        for used in meter.threads.values_mut() {
            used.first = used.last;
        }
        meter
    }

    /// Reads the figures of all threads.
    pub fn read(&mut self) {
        let Ok(tasks) = fs::read_dir("/proc/self/task") else { return };
        for task in tasks.flatten() {
            let Some(id) = task.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // A thread may end between the listing and the reading.
            let Ok(stat) = fs::read_to_string(task.path().join("stat")) else { continue };
            let Some((name, ticks)) = parse(&stat) else { continue };
            if let Some(used) = self.threads.get_mut(&id) {
                // A thread gets its name a moment after it was started.
                *used = Used { swarm: name.starts_with(SWARM_THREADS), last: ticks, ..*used };
            } else if self.threads.len() < MAX_THREADS {
                self.threads.insert(id, Used { swarm: name.starts_with(SWARM_THREADS), first: 0, last: ticks });
            }
        }
    }

    /// Reads the figures of other processes that belong to the server. They count from their start, and their figures stay
    /// when they end.
    pub fn read_processes(&mut self, ids: impl Iterator<Item = u32>) {
        for id in ids {
            let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
            let Some((_, ticks)) = parse(&stat) else { continue };
            if self.processes.contains_key(&id) || self.processes.len() < MAX_PROCESSES {
                self.processes.insert(id, ticks);
            }
        }
    }

    /// What was used since the meter was made, as of the last reading.
    pub fn used(&self) -> CpuTime {
        let of = |swarm: bool| {
            let threads = self.threads.values().filter(|used| used.swarm == swarm);
            let mut ticks: u64 = threads.map(|used| used.last.saturating_sub(used.first)).sum();
            if !swarm {
                ticks += self.processes.values().sum::<u64>();
            }
            Duration::from_secs_f64(ticks as f64 / self.clock_ticks_per_s)
        };
        CpuTime { server: of(false), swarm: of(true) }
    }
}

/// Name and processor time in clock ticks from a line of `stat`.
fn parse(stat: &str) -> Option<(&str, u64)> {
    // The name stands in parentheses and may hold anything, parentheses too.
    let (start, end) = (stat.find('(')?, stat.rfind(')')?);
    let name = stat.get(start + 1..end)?;
    let mut fields = stat.get(end + 1..)?.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((name, user + system))
}

/// Memory of this process that is in use now, in MiB; 0 where it cannot be told.
pub fn resident_mib() -> f64 {
    let pages = fs::read_to_string("/proc/self/statm").ok();
    let resident: Option<f64> = pages.and_then(|text| text.split_ascii_whitespace().nth(1)?.parse().ok());
    resident.unwrap_or(0.0) * rustix::param::page_size() as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_whatever_the_name() {
        let stat = "12 (a (b) c) S 1 1 1 0 -1 4194368 9 0 0 0 250 50 0 0 20 0 9 0 7 1 1";
        assert_eq!(parse(stat), Some(("a (b) c", 300)));
        assert_eq!(parse("12 (cut"), None);
    }

    #[test]
    fn threads_are_told_apart_by_their_names() {
        let mut meter = Meter::new();
        let (enough, stop) = std::sync::mpsc::channel::<()>();
        let swarm = std::thread::Builder::new().name("swarm-1".into()).spawn(move || {
            while stop.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                std::hint::black_box(0);
            }
        });
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while meter.used().swarm < Duration::from_millis(20) && std::time::Instant::now() < deadline {
            meter.read();
            std::thread::yield_now();
        }
        drop(enough);
        swarm.expect("a thread can be started").join().expect("it does not panic");
        assert!(meter.used().swarm >= Duration::from_millis(20), "{:?}", meter.used());
        assert!(resident_mib() > 1.0);
    }
}
