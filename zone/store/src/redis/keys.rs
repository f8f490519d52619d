//! Names of the keys of a world.
//!
//! Every key starts with `darkages:{WORLD}`. The braces are a hash tag: a Redis Cluster keeps all keys of one world in one
//! slot, so that a script can judge a fence and change several players at once. What follows the tag names the shard or the
//! player, so that a finer tag would change this file and no format.

use darkages_topology::{PlayerId, ShardId};

/// The start of every key of `world`. What is not plain in its name is written as `%XX`: a brace would end the tag.
pub(super) fn base(world: &str) -> String {
    let mut name = String::with_capacity(world.len());
    for byte in world.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => name.push(char::from(byte)),
            other => name.push_str(&format!("%{other:02X}")),
        }
    }
    format!("darkages:{{{name}}}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_world_has_its_name_as_hash_tag() {
        assert_eq!(base("dark-ages_1.0"), "darkages:{dark-ages_1.0}");
        assert_eq!(base("}{ä"), "darkages:{%7D%7B%C3%A4}");
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
