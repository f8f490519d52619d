//! Tests of the writer on a disk that fails and comes back.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use redb::backends::InMemoryBackend;
use redb::{Database, ReadableTable, StorageBackend};

use super::writer::Writer;
use crate::error::{OpenError, StoreError};

const DEADLINE: Duration = Duration::from_secs(20);

/// A disk in memory that outlives the databases on it, counts flushes, and is full when told so.
#[derive(Clone, Debug, Default)]
struct Disk {
    bytes: Arc<InMemoryBackend>,
    full: Arc<AtomicBool>,
    flushes: Arc<AtomicU32>,
}

impl Disk {
    fn check(&self) -> io::Result<()> {
        if self.full.load(Ordering::SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn open(&self) -> Result<Database, OpenError> {
        Database::builder()
            .create_with_backend(self.clone())
            .map_err(|error| OpenError::Corrupt { place: "disk".to_owned(), reason: error.to_string() })
    }

    /// A writer on this disk, and the way to its database.
    fn writer(&self) -> (super::writer::Slot, Writer) {
        let slot = Arc::new(RwLock::new(Some(self.open().expect("an empty disk"))));
        let disk = self.clone();
        let writer = Writer::start(Arc::clone(&slot), Box::new(move || disk.open())).expect("a thread");
        (slot, writer)
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.bytes.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        StorageBackend::read(&*self.bytes, offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check()?;
        self.bytes.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.flushes.fetch_add(1, Ordering::SeqCst);
        self.check()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check()?;
        StorageBackend::write(&*self.bytes, offset, data)
    }
}

/// A write of one nonce, as good as any other.
fn put(writer: &Writer, key: u128, durable: bool) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
    writer.write("putting", durable, move |tables| Ok(tables.nonces.insert(key, 1).map(drop)?))
}

/// Whether a write of this key is there.
async fn has(writer: &Writer, key: u128) -> Result<bool, StoreError> {
    writer.write("looking", false, move |tables| Ok(tables.nonces.get(key)?.is_some())).await
}

/// Lets writes gather while the writer cannot go on, because we hold the one transaction that there may be.
fn while_it_is_busy<F>(slot: &super::writer::Slot, gather: impl FnOnce() -> Vec<F>) -> Vec<F> {
    let database = slot.read().unwrap_or_else(PoisonError::into_inner);
    let held = database.as_ref().expect("open").begin_write().expect("begin");
    let gathered = gather();
    drop(held);
    gathered
}

#[tokio::test]
async fn a_full_disk_is_told_and_got_over() {
    let disk = Disk::default();
    let (_slot, writer) = disk.writer();
    put(&writer, 1, true).await.expect("room");
    disk.full.store(true, Ordering::SeqCst);
    let error = put(&writer, 2, true).await.expect_err("no room");
    assert!(error.may_have_applied() && error.to_string().starts_with("putting"), "{error}");
    put(&writer, 3, true).await.expect_err("still none");
    assert!(writer.pulse.health().is_away(crate::health::REDB));
    disk.full.store(false, Ordering::SeqCst);
    let deadline = Instant::now() + DEADLINE;
    while put(&writer, 4, true).await.is_err() {
        assert!(Instant::now() < deadline, "it never came back");
        tokio::task::yield_now().await;
    }
    for key in [1, 4] {
        assert!(has(&writer, key).await.expect("back"), "{key} was acknowledged");
    }
    assert!(!has(&writer, 3).await.expect("back"), "what was never tried is not there");
    assert!(writer.pulse.health().away.is_empty());
}

#[tokio::test]
async fn what_waits_is_flushed_together() {
    let disk = Disk::default();
    let (slot, writer) = disk.writer();
    put(&writer, 0, true).await.expect("room");
    let before = disk.flushes.load(Ordering::SeqCst);
    put(&writer, 1, true).await.expect("room");
    let one = disk.flushes.load(Ordering::SeqCst) - before;
    assert!(one >= 1, "a durable write is flushed");
    let before = disk.flushes.load(Ordering::SeqCst);
    let gather = || (10..310).map(|key| put(&writer, key, true)).collect::<Vec<_>>();
    let waiting = while_it_is_busy(&slot, || {
        let gathered = gather();
        assert_eq!(writer.pulse.health().queue_depth, 300);
        gathered
    });
    for write in waiting {
        write.await.expect("room");
    }
    assert_eq!(writer.pulse.health().queue_depth, 0);
    let together = disk.flushes.load(Ordering::SeqCst) - before;
    assert!(together <= 3 * one, "{together} flushes for 300 writes, {one} for one");
}

#[tokio::test]
async fn what_is_not_durable_is_visible_at_once_and_flushed_soon() {
    let disk = Disk::default();
    let (_slot, writer) = disk.writer();
    put(&writer, 0, true).await.expect("room");
    let before = disk.flushes.load(Ordering::SeqCst);
    put(&writer, 1, false).await.expect("room");
    assert!(has(&writer, 1).await.expect("read"), "visible");
    let deadline = Instant::now() + DEADLINE;
    while disk.flushes.load(Ordering::SeqCst) == before {
        assert!(Instant::now() < deadline, "it was never flushed");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_queue_that_is_full_says_so() {
    let disk = Disk::default();
    let (slot, writer) = disk.writer();
    let waiting = while_it_is_busy(&slot, || (0..20_000).map(|key| put(&writer, key, false)).collect());
    let mut refused = 0;
    for write in waiting {
        match write.await {
            Ok(()) => {}
            Err(error) => {
                assert_eq!((error.label(), error.may_have_applied()), ("full", false), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 10_000, "only {refused} were refused");
    put(&writer, 1, true).await.expect("there is room again");
}

#[tokio::test]
async fn closing_lets_nobody_wait() {
    let disk = Disk::default();
    let (slot, writer) = disk.writer();
    put(&writer, 1, false).await.expect("room");
    let (closed, late) = tokio::join!(writer.close(), put(&writer, 2, true));
    closed.expect("closed");
    assert!(late.is_ok() || late.is_err_and(|error| error.label() == "closed"));
    assert!(slot.read().unwrap_or_else(PoisonError::into_inner).is_none(), "the file is let go");
    let (_slot, writer) = disk.writer();
    assert!(has(&writer, 1).await.expect("read"), "closing made it durable");
}
