//! redb alone: one thread, one transaction after the other, what waits together goes together.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context as _;
use darkages_store::limits::CHECKPOINT_FLUSH;
use redb::{Database, Durability, TableDefinition};

use super::super::load::Series;
use super::super::pace::{Done, timed};
use super::Shape;

const ROWS: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("rows");

/// Rows of the log that stay, about: no run fills a disk.
const LOG_ROWS: u64 = 100_000;

pub struct RedbLoop {
    path: PathBuf,
    file: Mutex<File>,
    shape: Shape,
}

struct File {
    database: Database,
    next: u64,
    flushed: Instant,
}

impl RedbLoop {
    /// Makes a file beside the store's.
    pub fn begin(store: &Path, shape: Shape) -> anyhow::Result<Self> {
        let mut path = store.as_os_str().to_owned();
        path.push(format!(".{}.bare", std::process::id()));
        let path = PathBuf::from(path);
        let database = Database::create(&path).with_context(|| format!("making {}", path.display()))?;
        let file = Mutex::new(File { database, next: 0, flushed: Instant::now() });
        Ok(Self { path, file, shape })
    }

    pub fn name(&self, series: Series) -> String {
        let rows = self.shape.in_flight * self.shape.rows(series);
        let durable = if is_durable(series) { "each flushed" } else { "flushed five times a second" };
        format!("redb crate, transactions of {rows} rows, {durable}")
    }

    /// Writes the rows of so many calls in one transaction.
    pub async fn write(self: Arc<Self>, series: Series, calls: usize) -> anyhow::Result<Done> {
        let rows = self.shape.rows(series) * calls;
        timed(rows, async move {
            let wrote = tokio::task::spawn_blocking(move || self.transaction(series, rows)).await;
            wrote.context("a writing task")?
        })
        .await
    }

    fn transaction(&self, series: Series, rows: usize) -> anyhow::Result<()> {
        let value = vec![b'x'; self.shape.bytes(series)];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut transaction = file.database.begin_write().context("beginning a transaction")?;
        let flush = is_durable(series) || file.flushed.elapsed() >= CHECKPOINT_FLUSH;
        transaction.set_durability(if flush { Durability::Immediate } else { Durability::None })?;
        {
            let mut table = transaction.open_table(ROWS).context("opening a table")?;
            let keys = if matches!(series, Series::Checkpoints | Series::Handoffs) {
                self.shape.players as u64
            } else {
                LOG_ROWS
            };
            for row in 0..rows as u64 {
                table.insert((file.next + row) % keys, value.as_slice()).context("inserting a row")?;
            }
        }
        transaction.commit().context("committing a transaction")?;
        file.next += rows as u64;
        if flush {
            file.flushed = Instant::now();
        }
        Ok(())
    }
}

impl Drop for RedbLoop {
    /// The file goes however the run ends.
    fn drop(&mut self) {
        // Nobody is left to be told when it cannot be removed.
        let _ = fs::remove_file(&self.path);
    }
}

const fn is_durable(series: Series) -> bool {
    matches!(series, Series::Transactions | Series::Handoffs)
}
