//! Every statement of the driver, prepared once, with its consistency.
//!
//! Four kinds, and which is which is decided here alone: a **plain** read or write goes to a quorum; a **settled** read
//! first completes what a compare-and-swap left half done, so what it shows can neither be lost nor come later; a **swap**
//! is a lightweight transaction; a **clear** empties a table on all servers. All others name the whole partition key, so that the
//! driver asks a replica.

use std::time::Duration;

use scylla::client::session::Session;
use scylla::errors::PrepareError;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency};

use super::schema::within;
use super::url::{CqlOptions, Quorum};

/// Attempts that fit into the time of a call when a server does not answer at all.
const ATTEMPTS_IN_A_CALL: u32 = 3;

/// How long emptying a table may take: servers that have snapshots switched on make one first.
const CLEAR_TIMEOUT: Duration = Duration::from_secs(60);

/// How a statement is carried out.
#[derive(Clone, Copy)]
enum Kind {
    Plain,
    Settled,
    Swap,
    Clear,
}

macro_rules! statements {
    ($($name:ident: $kind:ident $text:expr;)*) => {
        /// The statements.
        pub(super) struct Statements { $(pub $name: PreparedStatement,)* }

        impl Statements {
            /// Prepares all of them. `$` stands for the keyspace.
            pub async fn prepare(session: &Session, options: &CqlOptions) -> Result<Self, PrepareError> {
                Ok(Self { $($name: prepare(session, options, Kind::$kind, $text).await?,)* })
            }
        }
    };
}

statements! {
    // What time it is, by the server that is asked.
    now: Plain "SELECT toUnixTimestamp(now()) FROM system.local";

    read_lease: Settled "SELECT epoch, zone, until, ttl, log_next, toUnixTimestamp(now()) FROM $.leases WHERE shard = ?";
    first_lease: Swap "INSERT INTO $.leases (shard, epoch, zone, until, ttl, log_next) VALUES (?, 1, ?, ?, ?, 1) IF NOT EXISTS";
    next_lease: Swap "UPDATE $.leases SET epoch = ?, zone = ?, until = ?, ttl = ? WHERE shard = ? IF epoch = ? AND until = ?";
    renew_lease: Swap "UPDATE $.leases SET until = ?, ttl = ? WHERE shard = ? IF epoch = ? AND until = ?";
    seal_lease: Swap "UPDATE $.leases SET until = 0 WHERE shard = ? IF epoch = ? AND until = ?";
    end_lease: Swap "UPDATE $.leases SET until = 0 WHERE shard = ? IF epoch = ?";
    take_places: Swap "UPDATE $.leases SET log_next = ? WHERE shard = ? IF epoch = ? AND log_next = ?";

    read_owner: Settled "SELECT revision, record, mark, marked FROM $.owners WHERE player = ?";
    create_owner: Swap "INSERT INTO $.owners (player, revision, record) VALUES (?, 1, ?) IF NOT EXISTS";
    write_owner: Swap "UPDATE $.owners SET revision = ?, record = ?, mark = ?, marked = ? WHERE player = ? IF revision = ?";

    read_snapshot: Plain "SELECT snapshot FROM $.snapshots WHERE player = ?";
    write_snapshot: Plain "INSERT INTO $.snapshots (player, snapshot) VALUES (?, ?) USING TIMESTAMP ?";

    list_shard: Plain "INSERT INTO $.shards (world, shard) VALUES (0, ?)";
    shards: Plain "SELECT shard FROM $.shards WHERE world = 0 AND shard > ? LIMIT ?";
    list_owned: Plain "INSERT INTO $.owned (shard, player) VALUES (?, ?) USING TIMESTAMP ?";
    unlist_owned: Plain "DELETE FROM $.owned USING TIMESTAMP ? WHERE shard = ? AND player = ?";
    owned: Plain "SELECT player FROM $.owned WHERE shard = ? AND player > ? LIMIT ?";
    owned_from_start: Plain "SELECT player FROM $.owned WHERE shard = ? LIMIT ?";
    list_player: Plain "INSERT INTO $.players (slice, player) VALUES (?, ?)";
    players: Plain "SELECT player FROM $.players WHERE slice = ? AND player > ? LIMIT ?";
    players_from_start: Plain "SELECT player FROM $.players WHERE slice = ? LIMIT ?";

    read_request: Settled "SELECT attempt, state, shard, epoch, seq, answer FROM $.requests WHERE player = ? AND number = ?";
    new_request: Swap "INSERT INTO $.requests (player, number, attempt, state, shard, epoch, seq, at, answer, parties) \
                       VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?) IF NOT EXISTS";
    again_request: Swap "UPDATE $.requests SET attempt = ?, state = 1, shard = ?, epoch = ?, seq = ?, at = ?, answer = ?, \
                         parties = ? WHERE player = ? AND number = ? IF attempt = ? AND state = 0";
    decide_request: Swap "UPDATE $.requests SET state = 2, at = ? WHERE player = ? AND number = ? IF attempt = ? AND state = 1";
    abort_request: Swap "UPDATE $.requests SET state = 0 WHERE player = ? AND number = ? IF attempt = ? AND state = 1";
    requests: Settled "SELECT number, attempt, state, shard, seq, at, parties FROM $.requests WHERE player = ?";
    forget_request: Swap "DELETE FROM $.requests WHERE player = ? AND number = ? IF attempt = ? AND state = ?";

    write_journal: Plain "INSERT INTO $.journal (shard, bucket, seq, entry, attempt, decided) \
                          VALUES (?, ?, ?, ?, ?, false) USING TTL ?";
    decide_journal: Plain "UPDATE $.journal USING TTL ? SET decided = true WHERE shard = ? AND bucket = ? AND seq = ?";
    journal: Plain "SELECT seq, entry, attempt, decided FROM $.journal WHERE shard = ? AND bucket = ? AND seq >= ? LIMIT ?";
    write_event: Plain "INSERT INTO $.events (shard, bucket, seq, entry) VALUES (?, ?, ?, ?) USING TTL ?";
    events: Plain "SELECT seq, entry FROM $.events WHERE shard = ? AND bucket = ? AND seq >= ? LIMIT ?";

    read_history: Settled "SELECT value FROM $.darkages_meta WHERE key = 'history'";
    first_history: Swap "INSERT INTO $.darkages_meta (key, value) VALUES ('history', ?) IF NOT EXISTS";
    next_history: Swap "UPDATE $.darkages_meta SET value = ? WHERE key = 'history' IF EXISTS";
    clear_owners: Clear "TRUNCATE $.owners";
    clear_owned: Clear "TRUNCATE $.owned";
    clear_players: Clear "TRUNCATE $.players";
    clear_requests: Clear "TRUNCATE $.requests";
    clear_journal: Clear "TRUNCATE $.journal";
    clear_events: Clear "TRUNCATE $.events";
    clear_sessions: Clear "TRUNCATE $.sessions";
    clear_snapshots: Clear "TRUNCATE $.snapshots";
    forget_id: Swap "DELETE FROM $.darkages_meta WHERE key = 'id' IF EXISTS";

    read_topology: Settled "SELECT revision, document FROM $.topology WHERE world = 0";
    first_topology: Swap "INSERT INTO $.topology (world, revision, document) VALUES (0, ?, ?) IF NOT EXISTS";
    next_topology: Swap "UPDATE $.topology SET revision = ?, document = ? WHERE world = 0 IF revision = ?";

    read_session: Settled "SELECT session, expires, toUnixTimestamp(now()) FROM $.sessions WHERE player = ?";
    first_session: Swap "INSERT INTO $.sessions (player, session, expires) VALUES (?, ?, ?) IF NOT EXISTS USING TTL ?";
    next_session: Swap "UPDATE $.sessions USING TTL ? SET session = ?, expires = ? WHERE player = ? IF session = ?";
    end_session: Swap "DELETE FROM $.sessions WHERE player = ? IF session = ?";

    use_nonce: Swap "INSERT INTO $.nonces (nonce, expires) VALUES (?, ?) IF NOT EXISTS USING TTL ?";

    // A compare-and-swap whose condition never holds, of a lease that nobody has: it needs what every write needs.
    probe: Swap "UPDATE $.leases SET until = 0 WHERE shard = -1 IF epoch = -1";
}

async fn prepare(
    session: &Session,
    options: &CqlOptions,
    kind: Kind,
    text: &str,
) -> Result<PreparedStatement, PrepareError> {
    let mut statement = session.prepare(within(&options.keyspace, text)).await?;
    let quorum = match options.consistency {
        Quorum::Local => Consistency::LocalQuorum,
        Quorum::Global => Consistency::Quorum,
    };
    let (settled, serial) = match options.serial {
        Quorum::Local => (Consistency::LocalSerial, SerialConsistency::LocalSerial),
        Quorum::Global => (Consistency::Serial, SerialConsistency::Serial),
    };
    statement.set_consistency(if matches!(kind, Kind::Settled) { settled } else { quorum });
    statement.set_serial_consistency(Some(serial));
    let is_swap = matches!(kind, Kind::Swap);
    statement.set_is_idempotent(!is_swap);
    // A swap is not repeated, so it may wait as long as its call; anything else leaves time for further attempts.
    statement.set_request_timeout(Some(match kind {
        Kind::Swap => options.timeout,
        Kind::Clear => CLEAR_TIMEOUT,
        Kind::Plain | Kind::Settled => options.timeout / ATTEMPTS_IN_A_CALL,
    }));
    Ok(statement)
}
