//! `redis-benchmark`, the server's own measure, where it is installed.

use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::{Context as _, bail};
use darkages_store::url::{Node, RedisUrl};

use super::super::figures::Sample;
use super::super::load::Series;
use super::Shape;
use super::redis::{word, words};

/// Calls with which it finds out how many fit into the time.
const FIRST_CALLS: usize = 500;

/// Rows of one run, at most.
const MAX_ROWS: usize = 100_000_000;

pub struct RedisBenchmark {
    version: String,
    node: Node,
    base: String,
    database: u32,
    shape: Shape,
    /// Rows in a second, as the last run of each series had it.
    rates: Mutex<[f64; Series::ALL.len()]>,
}

impl RedisBenchmark {
    /// Finds it. It takes a password only on its command line, where everybody on the machine reads it; so it is not used where
    /// one is needed, nor with TLS.
    pub fn find(url: &RedisUrl, node: &Node, base: &str, shape: Shape) -> Option<Self> {
        if url.tls.is_some() || url.password.is_some() {
            return None;
        }
        let told = Command::new("redis-benchmark").arg("--version").stdin(Stdio::null()).output().ok()?;
        let told = String::from_utf8(told.stdout).ok()?;
        let version = told.split_whitespace().nth(1)?.to_owned();
        let (node, base, rates) = (node.clone(), base.to_owned(), Mutex::default());
        Some(Self { version, node, base, database: url.database, shape, rates })
    }

    pub fn name(&self, series: Series) -> String {
        let (clients, batch) = (self.shape.in_flight, self.shape.rows(series));
        format!("redis-benchmark {}, {clients} clients, pipelines of {batch}: {}", self.version, word(series))
    }

    pub fn full_speed(&self, series: Series, time: Duration) -> anyhow::Result<Sample> {
        let batch = self.shape.rows(series);
        let known = self.rates.lock().unwrap_or_else(PoisonError::into_inner)[series as usize];
        let rate = if known > 0.0 { known } else { self.run(series, FIRST_CALLS * batch)?.writes_per_s };
        let rows = (rate * time.as_secs_f64()) as usize;
        let sample = self.run(series, rows.clamp(self.shape.in_flight * batch, MAX_ROWS))?;
        self.rates.lock().unwrap_or_else(PoisonError::into_inner)[series as usize] = sample.writes_per_s;
        Ok(sample)
    }

    fn run(&self, series: Series, rows: usize) -> anyhow::Result<Sample> {
        let mut command = Command::new("redis-benchmark");
        command.args(["-h", &self.node.host, "-p", &self.node.port.to_string()]);
        command.args(["--dbnum", &self.database.to_string(), "--csv"]);
        command.args(["-c", &self.shape.in_flight.to_string(), "-P", &self.shape.rows(series).to_string()]);
        command.args(["-n", &rows.to_string(), "-r", &self.shape.players.to_string()]);
        command.args(words(&self.base, series)).arg("x".repeat(self.shape.bytes(series)));
        let output = command.stdin(Stdio::null()).output().context("running redis-benchmark")?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!("redis-benchmark ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        read(&said).with_context(|| format!("redis-benchmark said {said:?}"))
    }
}

/// The figures in what it prints with `--csv`: a line of names, then one of values.
fn read(said: &str) -> Option<Sample> {
    let mut lines = said.lines().filter(|line| line.starts_with('"'));
    let names = fields(lines.next()?);
    let values = fields(lines.next()?);
    // The first value is the command, which may hold anything; the figures are the last ones.
    let figure = |name: &str| {
        let from_end = names.len() - names.iter().position(|known| *known == name)?;
        values.get(values.len().checked_sub(from_end)?)?.parse::<f64>().ok()
    };
    Some(Sample { writes_per_s: figure("rps")?, p50_ms: figure("p50_latency_ms")?, p99_ms: figure("p99_latency_ms")? })
}

fn fields(line: &str) -> Vec<&str> {
    line.split(',').map(|field| field.trim_matches('"')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_prints_is_read() {
        let said = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\"p95_latency_ms\",\
                    \"p99_latency_ms\",\"max_latency_ms\"\n\
                    \"SET a,b xxx\",\"211000.50\",\"0.251\",\"0.064\",\"0.239\",\"0.399\",\"0.511\",\"1.087\"\n";
        let sample = read(said).expect("it is well");
        assert_eq!((sample.writes_per_s, sample.p50_ms, sample.p99_ms), (211_000.5, 0.239, 0.511));
        assert!(read("WARNING: Could not fetch server CONFIG\n").is_none());
        assert!(read("\"test\",\"rps\"\n\"SET\",\"1\"\n").is_none());
    }
}
