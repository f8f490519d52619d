//! Names of the keys of a world.
//!
//! Every key starts with `darkages:{WORLD}`. The braces are a hash tag: a Redis Cluster keeps all keys of one world in one
//! slot, so that a script can judge a fence and change several players at once. What follows the tag names the shard or the
//! player, so that a finer tag would change this file and no format.

use darkages_topology::{PlayerId, ShardId};

/// The start of every key of `world`.
pub(super) fn base(world: &str) -> String {
    format!("darkages:{{{}}}", plain(world))
}

/// The start of every key of copies of `world`, whose records are kept elsewhere.
pub(super) fn copies(world: &str) -> String {
    format!("darkages:cache:{{{}}}", plain(world))
}

/// The world that a key belongs to, if Redis keeps it.
pub(super) fn world_of(key: &str) -> Option<String> {
    tag(key.strip_prefix("darkages:{")?)
}

/// The world that a key is a copy of, if it is one.
pub(super) fn world_of_copies(key: &str) -> Option<String> {
    tag(key.strip_prefix("darkages:cache:{")?)
}

fn tag(rest: &str) -> Option<String> {
    let (world, _) = rest.split_once('}')?;
    Some(world.to_owned())
}

/// A world's name in a key. What is not plain in it is written as `%XX`: a brace would end the tag.
fn plain(world: &str) -> String {
    let mut name = String::with_capacity(world.len());
    for byte in world.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => name.push(char::from(byte)),
            other => name.push_str(&format!("%{other:02X}")),
        }
    }
    name
}

/// A player's name in keys and lists: sixteen digits, so that the order of names is the order of players.
pub(super) fn player(player: PlayerId) -> String {
    format!("{:016x}", player.0)
}

/// The player of this name.
pub(super) fn player_of(name: &[u8]) -> Option<PlayerId> {
    let digits = std::str::from_utf8(name).ok().filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok().map(PlayerId)
}

/// The list of players that a shard owns, after the base.
pub(super) fn owned(shard: ShardId) -> String {
    format!(":owned:{}", shard.0)
}

/// The list of all players, after the base.
pub(super) const PLAYERS: &str = ":players";

/// What the names of keys of one history start with, after the base. All others outlive it: marker, barrier, leases, shards,
/// shard map, nonces.
const OF_HISTORY: [&str; 9] =
    [":owner:", ":owned:", ":owning", ":players", ":requests:", ":order:", ":log:", ":logsizes", ":session:"];

/// Whether a key is of one history of the world with this base.
pub(super) fn is_of_history(base: &str, key: &[u8]) -> bool {
    let rest = key.strip_prefix(base.as_bytes());
    rest.is_some_and(|rest| OF_HISTORY.iter().any(|start| rest.starts_with(start.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_world_has_its_name_as_hash_tag() {
        assert_eq!(base("dark-ages_1.0"), "darkages:{dark-ages_1.0}");
        assert_eq!(base("}{ä"), "darkages:{%7D%7B%C3%A4}");
        assert_eq!(copies("a:b"), "darkages:cache:{a%3Ab}");
        assert_eq!(world_of("darkages:{a}:owner:1").as_deref(), Some("a"));
        assert_eq!(world_of_copies("darkages:cache:{a}:7:owner:1").as_deref(), Some("a"));
        assert_eq!((world_of("darkages:cache:{a}:1"), world_of_copies("darkages:{a}:1")), (None, None));
    }

    #[test]
    fn names_of_players_come_back_and_sort_like_players() {
        let players = [0, 9, 10, u64::MAX].map(PlayerId);
        let names = players.map(player);
        assert!(names.is_sorted());
        assert_eq!(names.map(|name| player_of(name.as_bytes())), players.map(Some));
        assert_eq!(player_of(b"not a player"), None);
    }
}
