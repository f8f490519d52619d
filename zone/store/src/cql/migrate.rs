//! Whose keyspace it is, and bringing its tables to this version, by any number of processes at once.
//!
//! The table `darkages_meta` says everything: `project`, `world`, `version`, `id`, and while somebody works `migrating`. A process
//! that finds an older version takes `migrating` by compare-and-swap, for a time after which it is free again, carries out
//! one step after the other and raises `version` after each. Everybody else waits for the version. Nothing is written to a
//! keyspace before it is known to be empty or ours.

use std::collections::BTreeMap;
use std::time::Duration;

use scylla::client::session::Session;
use scylla::errors::ExecutionError;
use scylla::response::query_result::QueryRowsResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::unprepared::Statement;
use scylla::statement::{Consistency, SerialConsistency};
use scylla::value::{CqlValue, Row};
use tokio::time::Instant;

use super::open::unreachable;
use super::schema::{META, STEPS, VERSION, within};
use super::url::{CqlOptions, Quorum, Replication};
use super::wire::jittered;
use crate::error::OpenError;

/// What `project` says.
const PROJECT: &str = "darkages";

/// Says something about a keyspace that says nothing about it yet.
const FIRST_VALUE: &str = "INSERT INTO $.darkages_meta (key, value) VALUES (?, ?) IF NOT EXISTS";

/// How long opening waits for somebody else who migrates.
const DEADLINE: Duration = Duration::from_secs(90);

/// Between two looks at the version.
const PAUSE: Duration = Duration::from_millis(100);

/// Seconds for which `migrating` is somebody's. It is extended before each statement, which takes [`STATEMENT_TIMEOUT`] at
/// most; one statement longer than that is given up.
const TURN_S: i32 = 90;

/// How long one change of the schema may take, until all servers agree on it.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// One keyspace on its way to this version.
struct Migration<'a> {
    session: &'a Session,
    options: &'a CqlOptions,
    world: &'a str,
    /// Who holds `migrating`: a number drawn at random.
    me: String,
}

/// Makes the keyspace and its tables what this version expects, for `world`. Returns the keyspace's own number.
pub(super) async fn migrate(session: &Session, options: &CqlOptions, world: &str) -> Result<String, OpenError> {
    let migration = Migration { session, options, world, me: rand::random::<u64>().to_string() };
    migration.keyspace().await?;
    let deadline = Instant::now() + DEADLINE;
    loop {
        let version = migration.version().await?;
        if version == VERSION {
            return migration.id().await;
        }
        if migration.take_turn().await? {
            let done = migration.steps().await;
            // Whoever waits need not wait for the turn to end by itself, also when this one failed.
            migration.end_turn().await?;
            done?;
        } else if Instant::now() >= deadline {
            return Err(unreachable(options, format!("its tables are being changed for more than {DEADLINE:?}")));
        } else {
            tokio::time::sleep(jittered(PAUSE)).await;
        }
    }
}

impl Migration<'_> {
    /// Makes the keyspace if there is none, and `darkages_meta` if there is nothing in it.
    async fn keyspace(&self) -> Result<(), OpenError> {
        let keyspace = &self.options.keyspace;
        let known = self
            .ask("SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?", (keyspace,), false)
            .await?;
        if known.rows_num() == 0 {
            let replication = match &self.options.replication {
                Replication::Simple(factor) => format!("'class': 'SimpleStrategy', 'replication_factor': {factor}"),
                Replication::DataCentres(centres) => {
                    let centres = centres.iter().map(|(name, factor)| format!(", '{name}': {factor}"));
                    format!("'class': 'NetworkTopologyStrategy'{}", centres.collect::<String>())
                }
            };
            self.change(&format!("CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {{{replication}}}"))
                .await?;
        }
        let tables =
            self.ask("SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?", (keyspace,), false).await?;
        let tables: Result<Vec<(String,)>, _> =
            tables.rows().map_err(|error| unreachable(self.options, error))?.collect();
        let tables = tables.map_err(|error| unreachable(self.options, error))?;
        if tables.is_empty() {
            // Two servers that make a table at the same moment make one, because it has a number of our choice.
            let id = table_id(keyspace);
            let table = format!("$.{META} (key text PRIMARY KEY, value text)");
            self.change(&format!("CREATE TABLE IF NOT EXISTS {table} WITH ID = {id}")).await?;
        } else if !tables.iter().any(|(name,)| name == META) {
            return Err(OpenError::Foreign { place: self.options.place(), found: "tables of another program" });
        }
        // Somebody else may have made them a moment ago, through another server.
        self.session.await_schema_agreement().await.map_err(|error| unreachable(self.options, error))?;
        self.meta_is_known().await
    }

    /// Waits until `darkages_meta` can be used: a server lists a table that somebody makes a moment before that.
    async fn meta_is_known(&self) -> Result<(), OpenError> {
        let deadline = Instant::now() + STATEMENT_TIMEOUT;
        let text = within(&self.options.keyspace, "SELECT value FROM $.darkages_meta WHERE key = 'version'");
        loop {
            match self.session.prepare(text.as_str()).await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() >= deadline => return Err(unreachable(self.options, error)),
                Err(_) => tokio::time::sleep(jittered(PAUSE)).await,
            }
        }
    }

    /// What the keyspace says of itself.
    async fn said(&self) -> Result<BTreeMap<String, String>, OpenError> {
        let rows = self.ask("SELECT key, value FROM $.darkages_meta", (), true).await?;
        let rows: Result<BTreeMap<String, String>, _> =
            rows.rows::<(String, String)>().map_err(|error| unreachable(self.options, error))?.collect();
        rows.map_err(|error| unreachable(self.options, error))
    }

    /// The keyspace's own number. Whoever finds none draws it; the first one counts.
    async fn id(&self) -> Result<String, OpenError> {
        if let Some(id) = self.said().await?.remove("id") {
            return Ok(id);
        }
        self.swap(FIRST_VALUE, ("id", &self.me)).await?;
        let missing = || OpenError::Corrupt { place: self.options.place(), reason: "it has no id".to_owned() };
        self.said().await?.remove("id").ok_or_else(missing)
    }

    /// The version of the tables, 0 when there are none yet, of a keyspace that is ours.
    async fn version(&self) -> Result<i32, OpenError> {
        let said = self.said().await?;
        let place = || self.options.place();
        if said.get("project").is_some_and(|project| project != PROJECT) {
            return Err(OpenError::Foreign { place: place(), found: "tables of another project" });
        }
        if let Some(found) = said.get("world").filter(|world| *world != self.world) {
            let (found, wanted) = (found.clone(), self.world.to_owned());
            return Err(OpenError::OtherWorld { place: place(), found, wanted });
        }
        let Some(version) = said.get("version") else { return Ok(0) };
        match version.parse::<i32>() {
            Ok(version) if version <= VERSION => Ok(version),
            Ok(version) => Err(OpenError::NewerVersion {
                place: place(),
                found: version.unsigned_abs(),
                supported: VERSION.unsigned_abs(),
            }),
            Err(_) => Err(OpenError::Corrupt { place: place(), reason: "its version is no number".to_owned() }),
        }
    }

    async fn take_turn(&self) -> Result<bool, OpenError> {
        let text = "INSERT INTO $.darkages_meta (key, value) VALUES ('migrating', ?) IF NOT EXISTS USING TTL ?";
        self.swap(text, (&self.me, TURN_S)).await
    }

    async fn keep_turn(&self) -> Result<(), OpenError> {
        let text = "UPDATE $.darkages_meta USING TTL ? SET value = ? WHERE key = 'migrating' IF value = ?";
        if self.swap(text, (TURN_S, &self.me, &self.me)).await? {
            return Ok(());
        }
        Err(unreachable(self.options, "changing its tables took so long that somebody else has begun: start again"))
    }

    async fn end_turn(&self) -> Result<(), OpenError> {
        self.swap("DELETE FROM $.darkages_meta WHERE key = 'migrating' IF value = ?", (&self.me,)).await.map(drop)
    }

    /// Carries out what is missing. The version is read anew: somebody else may have been faster.
    async fn steps(&self) -> Result<(), OpenError> {
        self.swap(FIRST_VALUE, ("project", PROJECT)).await?;
        self.swap(FIRST_VALUE, ("world", self.world)).await?;
        self.swap(FIRST_VALUE, ("history", rand::random::<u64>().to_string())).await?;
        self.swap(FIRST_VALUE, ("version", "0")).await?;
        let done = self.version().await?;
        for (before, step) in (0..VERSION).zip(STEPS).skip(done.unsigned_abs() as usize) {
            for statement in *step {
                self.keep_turn().await?;
                self.change(statement).await?;
            }
            let text = "UPDATE $.darkages_meta SET value = ? WHERE key = 'version' IF value = ?";
            let after = (before + 1).to_string();
            self.swap(text, (&after, before.to_string())).await?;
            tracing::info!(version = after, keyspace = self.options.keyspace, "the tables were changed");
        }
        Ok(())
    }

    /// Changes the schema and waits until all servers agree.
    async fn change(&self, text: &str) -> Result<(), OpenError> {
        let mut statement = Statement::new(within(&self.options.keyspace, text));
        statement.set_request_timeout(Some(STATEMENT_TIMEOUT));
        let changed = self.session.query_unpaged(statement, ()).await;
        changed.map(drop).map_err(|error| unreachable(self.options, error))
    }

    async fn ask(&self, text: &str, values: impl SerializeRow, quorum: bool) -> Result<QueryRowsResult, OpenError> {
        let mut statement = Statement::new(within(&self.options.keyspace, text));
        if quorum {
            statement.set_consistency(match self.options.consistency {
                Quorum::Local => Consistency::LocalQuorum,
                Quorum::Global => Consistency::Quorum,
            });
        } else {
            // Every server has the schema.
            statement.set_consistency(Consistency::LocalOne);
        }
        let rows = self.session.query_unpaged(statement, values).await;
        rows.map_err(Into::into)
            .and_then(|rows| rows.into_rows_result().map_err(|error| Box::new(error).into()))
            .map_err(|error: Box<dyn std::error::Error + Send + Sync>| unreachable(self.options, error))
    }

    async fn swap(&self, text: &str, values: impl SerializeRow) -> Result<bool, OpenError> {
        let mut statement = Statement::new(within(&self.options.keyspace, text));
        statement.set_consistency(match self.options.consistency {
            Quorum::Local => Consistency::LocalQuorum,
            Quorum::Global => Consistency::Quorum,
        });
        statement.set_serial_consistency(Some(match self.options.serial {
            Quorum::Local => SerialConsistency::LocalSerial,
            Quorum::Global => SerialConsistency::Serial,
        }));
        let result = self.session.query_unpaged(statement, values).await;
        let result = result.map_err(|error: ExecutionError| unreachable(self.options, error))?;
        let rows = result.into_rows_result().map_err(|error| unreachable(self.options, error))?;
        let row: Row = rows.first_row().map_err(|error| unreachable(self.options, error))?;
        Ok(matches!(row.columns.first(), Some(Some(CqlValue::Boolean(true)))))
    }
}

/// A number for `darkages_meta` of this keyspace, always the same, in the form of a random UUID (FNV-1a).
fn table_id(keyspace: &str) -> String {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for byte in keyspace.bytes().chain(*b"/").chain(META.bytes()) {
        hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    let text = format!("{hash:032x}");
    format!("{}-{}-4{}-8{}-{}", &text[..8], &text[8..12], &text[13..16], &text[17..20], &text[20..])
}
