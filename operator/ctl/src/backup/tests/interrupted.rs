//! Whenever a backup or a restore is interrupted, what was whole before is whole after, and the next run works.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use darkages_store::faulty::{Fault, Faults, Faulty};
use darkages_store::{Embedded, ManualClock, Store};
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};

use super::scene::{GZIP, Vault, World, create_in, differences_of, fill, records};
use crate::backup::create::CreateError;
use crate::backup::moment::Plan;
use crate::backup::restore::{RestoreError, settled};

/// A place whose writes fail from the `left`th on.
#[derive(Debug)]
struct Failing {
    inner: Arc<dyn ObjectStore>,
    left: AtomicU64,
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a place that fails")
    }
}

#[async_trait]
impl ObjectStore for Failing {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err() {
            return Err(object_store::Error::Generic { store: "failing", source: "the disk is full".into() });
        }
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn a_backup_whose_writing_fails_anywhere_is_none() {
    let (world, vault) = (World::lived_in(300).await, Vault::new());
    let good = vault.create(&world, 0, GZIP, None).await.expect("the last good one");
    let writes = good.files.len() as u64 + 1;
    for fails_at in 0..writes {
        let failing = vault.target.wrapped(|inner| Arc::new(Failing { inner, left: AtomicU64::new(fails_at) }));
        let error = create_in(&failing, &world, 1 + fails_at as u32, GZIP, None).await.expect_err("the disk is full");
        assert!(matches!(error, CreateError::Target(_)), "{error}");
        let catalogue = vault.catalogue().await;
        let whole: Vec<_> = catalogue.whole().map(|whole| whole.manifest.id).collect();
        assert_eq!(whole, [good.id], "write {fails_at} of {writes}");
    }
    let failing = vault.target.wrapped(|inner| Arc::new(Failing { inner, left: AtomicU64::new(writes) }));
    create_in(&failing, &world, 99, GZIP, None).await.expect("no write is left to fail");
    assert_eq!(vault.catalogue().await.whole().count(), 2);
}

#[tokio::test]
async fn a_restore_that_fails_at_any_call_is_run_again() {
    let (world, vault) = (World::lived_in(1_200).await, Vault::new());
    let made = vault.create(&world, 0, GZIP, None).await.expect("a backup");
    let catalogue = vault.catalogue().await;
    let plan = Plan::of(catalogue.chain(made.id).expect("whole"));
    let expected: Vec<_> =
        records(&world).await.into_iter().map(|(player, record)| (player, settled(record))).collect();
    for fault in [Fault::Unavailable, Fault::AnswerLost] {
        for fails_at in 0.. {
            let clock = Arc::<ManualClock>::default();
            let store = Embedded::in_memory("test", Arc::<ManualClock>::clone(&clock)).expect("memory is there");
            let (store, faults): (Arc<dyn Store>, _) = (Arc::new(store), Faults::new(1));
            let faulty = Faulty::new(Arc::clone(&store), faults.clone());
            for _ in 0..fails_at {
                faults.force_next(Fault::None);
            }
            faults.force_next(fault);
            let first = fill(&faulty, &vault.target, &plan).await;
            let counts = faults.counts();
            if counts.unavailable + counts.answers_lost == 0 {
                assert!(fails_at > 8, "there are more calls than that: {fails_at}");
                break;
            }
            // A batch is written again by itself.
            assert!(matches!(first, Ok(()) | Err(RestoreError::Store(_))), "call {fails_at}: {first:?}");
            // Nobody released the leases of the run that failed.
            clock.advance(super::scene::LEASE);
            fill(&*store, &vault.target, &plan).await.expect("the same restore again");
            let differences = differences_of(&*store, &vault.target, &plan).await;
            assert_eq!(differences.count, 0, "call {fails_at}: {differences:?}");
            assert_eq!(store.scan_owners(None, 1_000).await.expect("scan"), expected[..1_000]);
        }
    }
}
