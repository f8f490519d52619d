//! Files that are not ours, not whole, not free or not of this world: one clear line, and not a byte changed.

use std::fs;
use std::path::{Path, PathBuf};

use darkages_store::{Embedded, OpenError, Store};
use darkages_topology::{Revision, ShardId};
use redb::{Database, TableDefinition};

struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("world.store");
    Place { _folder: folder, path }
}

/// A store with something in it, closed.
async fn filled(path: &Path) {
    let store = Embedded::open(path, "here").expect("a new store");
    let map = darkages_store::TopologyDocument { revision: Revision(1), bytes: vec![7; 50_000] };
    store.compare_and_swap_topology(None, map).await.expect("swap");
    store.close().await.expect("close");
}

/// Opening must fail with one line that names the path, and leave the file as it is.
fn refused(path: &Path, world: &str, label: &str) -> OpenError {
    let before = fs::read(path).ok();
    let error = Embedded::open(path, world).err().unwrap_or_else(|| panic!("{label}: it was opened"));
    let line = error.to_string();
    assert_eq!(error.label(), label, "{line}");
    assert!(line.contains(&path.display().to_string()) && !line.contains('\n'), "one line that names the path: {line}");
    assert!(line.contains(": ") && line.len() < 300, "{line}");
    assert_eq!(fs::read(path).ok(), before, "{label}: the file was changed");
    error
}

#[test]
fn a_file_of_something_else_is_refused() {
    let place = place();
    for contents in [&b""[..], b"hello", b"SQLite format 3\0 and then some", &[0xFF; 100_000]] {
        fs::write(&place.path, contents).expect("write");
        refused(&place.path, "here", "foreign");
    }
}

#[test]
fn a_database_of_another_program_is_refused() {
    let place = place();
    let other = Database::create(&place.path).expect("create");
    let transaction = other.begin_write().expect("begin");
    transaction.open_table(TableDefinition::<u64, u64>::new("owners")).expect("table").insert(1, 2).expect("insert");
    transaction.commit().expect("commit");
    drop(other);
    refused(&place.path, "here", "foreign");
}

#[test]
fn a_place_that_cannot_hold_a_store_is_refused() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    refused(folder.path(), "here", "unreadable");
    refused(&folder.path().join("missing").join("world.store"), "here", "unreadable");
    assert_eq!(fs::read_dir(folder.path()).expect("list").count(), 0, "nothing was left behind");
}

#[tokio::test]
async fn another_world_is_refused() {
    let place = place();
    filled(&place.path).await;
    let error = refused(&place.path, "there", "other_world").to_string();
    assert!(error.contains("\"here\"") && error.contains("\"there\""), "{error}");
    for name in ["", &"x".repeat(254)] {
        assert_eq!(Embedded::open(&place.path, name).err().map(|error| error.label()), Some("invalid"));
    }
    Embedded::open(&place.path, "here").expect("its own name opens it");
}

#[tokio::test]
async fn a_file_that_is_open_is_refused() {
    let place = place();
    filled(&place.path).await;
    let first = Embedded::open(&place.path, "here").expect("it is free");
    let error = Embedded::open(&place.path, "here").err().expect("it is in use");
    assert_eq!(error.label(), "in_use", "{error}");
    assert!(error.to_string().contains(&place.path.display().to_string()), "{error}");
    first.close().await.expect("close");
    drop(Embedded::open(&place.path, "here").expect("closing let go of it"));
    Embedded::open(&place.path, "here").expect("dropping let go of it");
}

#[tokio::test]
async fn a_newer_version_is_refused() {
    let place = place();
    filled(&place.path).await;
    let database = Database::open(&place.path).expect("open");
    let transaction = database.begin_write().expect("begin");
    let meta = TableDefinition::<&str, &[u8]>::new("darkages.store");
    let newer = [1, 99, 0, 0, 0];
    transaction.open_table(meta).expect("table").insert("format", newer.as_slice()).expect("insert");
    transaction.commit().expect("commit");
    drop(database);
    let error = refused(&place.path, "here", "newer_version").to_string();
    assert!(error.contains("99"), "{error}");
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let place = place();
    filled(&place.path).await;
    let whole = fs::read(&place.path).expect("read");
    let mut refusals = 0;
    for cut in [20, 320, 4_096, whole.len() / 2, whole.len() - 4_096] {
        fs::write(&place.path, &whole[..cut]).expect("write");
        refusals += usize::from(damage_is_noticed(&place.path).await);
    }
    assert_eq!(refusals, 5, "a file that was cut never opens");
    for at in (64..whole.len()).step_by(1_021) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x40;
        fs::write(&place.path, &flipped).expect("write");
        damage_is_noticed(&place.path).await;
    }
}

/// Whether the file is refused. If it is not, the damage lies where nothing is stored, and everything is there.
async fn damage_is_noticed(path: &Path) -> bool {
    match Embedded::open(path, "here") {
        Err(error) => {
            assert!(matches!(error.label(), "corrupt" | "foreign"), "{error}");
            true
        }
        Ok(store) => {
            let map = store.load_topology().await.expect("read").expect("written");
            assert_eq!((map.revision, map.bytes), (Revision(1), vec![7; 50_000]));
            assert_eq!(store.look(ShardId(1)).await.expect("look"), None);
            false
        }
    }
}
