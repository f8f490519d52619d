//! Opening the file: is it ours, of a version that we read, of this world, whole, and free?
//!
//! Nothing is written to a file before it is known to be ours and sound; a new one is made beside its place and moved there whole.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use redb::backends::InMemoryBackend;
use redb::{Builder, Database, DatabaseError, ReadableDatabase, StorageError, TableHandle};

use super::tables::{FORMAT, META, Tables};
use super::trial::Trial;
use crate::check;
use crate::codec;
use crate::error::OpenError;

/// First bytes of every file that redb wrote.
const MAGIC: [u8; 9] = *b"redb\x1A\x0A\xA9\x0D\x0A";

/// Memory for pages of the file. A page that is not in it is read from the system's cache.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Where a store is kept.
#[derive(Clone, Debug)]
pub(super) enum Place {
    File(PathBuf),
    Memory,
}

impl Place {
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Memory => "memory".to_owned(),
        }
    }
}

/// Opens the store of `world`, and makes one where there is nothing yet.
pub(super) fn open(place: &Place, world: &str) -> Result<Database, OpenError> {
    check::world(world)?;
    match place {
        Place::Memory => create(builder().create_with_backend(InMemoryBackend::new()), world, place),
        Place::File(path) => {
            match fs::metadata(path) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => create_file(path, world, place)?,
                Err(error) => return Err(unreadable(place, error)),
            }
            open_file(path, world, place)
        }
    }
}

/// Opens the store of `world` that was open before. One that is gone is not made anew: an empty world in its place would
/// be worse than none.
pub(super) fn open_again(place: &Place, world: &str) -> Result<Database, OpenError> {
    match place {
        Place::Memory => Err(unreadable(place, io::Error::other("memory cannot be opened again"))),
        Place::File(path) => open_file(path, world, place),
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Makes the file whole under another name first, so that a crash in between leaves no half store in its place.
fn create_file(path: &Path, world: &str, place: &Place) -> Result<(), OpenError> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}.new", std::process::id()));
    let draft = PathBuf::from(draft);
    let made = create(builder().create(&draft), world, place).and_then(|database| {
        drop(database);
        put_in_place(&draft, path).and_then(|()| sync_folder(path)).map_err(|error| unreadable(place, error))
    });
    // The draft is a second name of the store now, or holds nothing; that it may stay behind is all that can go wrong.
    let _ = fs::remove_file(&draft);
    made
}

/// Gives the draft its name unless somebody else was faster: their store must not be replaced under their feet.
fn put_in_place(draft: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // A file system without links.
        Err(error) if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) => {
            fs::rename(draft, path)
        }
        linked => linked,
    }
}

/// Makes the new name of the file as durable as its contents.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn create(database: Result<Database, DatabaseError>, world: &str, place: &Place) -> Result<Database, OpenError> {
    let database = database.map_err(|error| refusal(error, place))?;
    let fill = || -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        {
            let mut tables = Tables::open(&transaction)?;
            tables.meta.insert("format", codec::encode_number(FORMAT).as_slice())?;
            tables.meta.insert("world", world.as_bytes())?;
            tables.set_history(rand::random())?;
        }
        transaction.commit()?;
        Ok(())
    };
    fill().map_err(|error| OpenError::Unreadable { place: place.name(), source: Box::new(error) })?;
    Ok(database)
}

fn open_file(path: &Path, world: &str, place: &Place) -> Result<Database, OpenError> {
    check_start(path, place)?;
    drop(trial(path, world, place)?);
    builder().open(path).map_err(|error| refusal(error, place))
}

/// Whether the file starts as those of redb do.
fn check_start(path: &Path, place: &Place) -> Result<(), OpenError> {
    let mut start = [0; MAGIC.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(foreign(place, "it is too short")),
        Err(error) => Err(unreadable(place, error)),
        Ok(()) if start != MAGIC => Err(foreign(place, "it has another format")),
        Ok(()) => Ok(()),
    }
}

/// The store of `world` for reading; the file stays as it is.
pub(super) fn look(path: &Path, world: &str, place: &Place) -> Result<Database, OpenError> {
    check::world(world)?;
    check_start(path, place)?;
    trial(path, world, place)
}

/// Opens the file without changing it, to see that it is whole, ours and of this world.
fn trial(path: &Path, world: &str, place: &Place) -> Result<Database, OpenError> {
    let file = File::options().read(true).write(true).open(path).map_err(|error| unreadable(place, error))?;
    let trial = Trial::new(file).map_err(|error| refusal(error, place))?;
    let trial = builder().set_check_integrity_on_open(true).create_with_backend(trial);
    let trial = trial.map_err(|error| refusal(error, place))?;
    check_contents(&trial, world, place)?;
    Ok(trial)
}

fn check_ours(database: &impl ReadableDatabase, place: &Place) -> Result<(), OpenError> {
    let transaction = database.begin_read().map_err(|error| damaged(place, &error))?;
    let mut tables = transaction.list_tables().map_err(|error| damaged(place, &error))?;
    if tables.any(|table| table.name() == META.name()) {
        Ok(())
    } else {
        Err(foreign(place, "it is another program's database"))
    }
}

fn check_contents(database: &impl ReadableDatabase, world: &str, place: &Place) -> Result<(), OpenError> {
    check_ours(database, place)?;
    let transaction = database.begin_read().map_err(|error| damaged(place, &error))?;
    let meta = transaction.open_table(META).map_err(|error| damaged(place, &error))?;
    let read = |key: &str| -> Result<Vec<u8>, OpenError> {
        let value = meta.get(key).map_err(|error| damaged(place, &error))?;
        let value = value.ok_or_else(|| damaged(place, &format!("it does not say its {key}")))?;
        Ok(value.value().to_vec())
    };
    let found = codec::decode_number(&read("format")?).map_err(|error| damaged(place, &error))?;
    if found > FORMAT {
        return Err(OpenError::NewerVersion { place: place.name(), found, supported: FORMAT });
    }
    let found = String::from_utf8_lossy(&read("world")?).into_owned();
    if found != world {
        return Err(OpenError::OtherWorld { place: place.name(), found, wanted: world.to_owned() });
    }
    Ok(())
}

fn refusal(error: DatabaseError, place: &Place) -> OpenError {
    let place_name = place.name();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            OpenError::InUse { place: place_name }
        }
        // The only formats that redb calls for an upgrade of are those of releases older than our first.
        DatabaseError::UpgradeRequired(_) => foreign(place, "it is a database of an old format"),
        DatabaseError::Storage(StorageError::Io(error)) if is_damage(error.kind()) => damaged(place, &error),
        DatabaseError::Storage(StorageError::Io(error)) => unreadable(place, error),
        other => damaged(place, &other),
    }
}

/// Kinds of read errors that speak of the file's contents, not of the path to it.
fn is_damage(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput)
}

fn foreign(place: &Place, found: &'static str) -> OpenError {
    OpenError::Foreign { place: place.name(), found }
}

fn damaged(place: &Place, reason: &impl ToString) -> OpenError {
    OpenError::Corrupt { place: place.name(), reason: reason.to_string() }
}

fn unreadable(place: &Place, error: io::Error) -> OpenError {
    OpenError::Unreadable { place: place.name(), source: Box::new(error) }
}
