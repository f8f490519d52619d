//! How numbers of ours are stored in servers whose numbers have a sign.

use darkages_topology::{PlayerId, ShardId};

/// The highest bit of a number of 64 bits.
const HIGHEST: u64 = 1 << 63;

/// A player as a key whose order among signed numbers is the players' order.
pub(super) const fn of_player(player: PlayerId) -> i64 {
    (player.0 ^ HIGHEST) as i64
}

/// The player of a key.
pub(super) const fn player(key: i64) -> PlayerId {
    PlayerId(key as u64 ^ HIGHEST)
}

/// A shard as a key; it needs no turning, having 32 bits.
pub(super) const fn of_shard(shard: ShardId) -> i64 {
    shard.0 as i64
}

/// The shard of a key. Only keys of [`of_shard`] are stored.
pub(super) const fn shard(key: i64) -> ShardId {
    ShardId(key as u32)
}

/// Slices of the list of all players, so that it is not one partition.
pub(super) const SLICES: u64 = 64;

/// The slice in which a player is listed. Players are often numbered in a row, which must not matter.
pub(super) const fn slice(player: PlayerId) -> i32 {
    // The multiplier is 2^64 divided by the golden ratio: neighbours land far apart.
    ((player.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) % SLICES) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_order_and_come_back() {
        let players = [0, 1, 2, HIGHEST - 1, HIGHEST, u64::MAX - 1, u64::MAX].map(PlayerId);
        assert!(players.windows(2).all(|pair| of_player(pair[0]) < of_player(pair[1])));
        assert!(players.iter().all(|known| player(of_player(*known)) == *known));
        assert!([0, 7, u32::MAX].map(ShardId).iter().all(|known| shard(of_shard(*known)) == *known));
        let mut used = std::collections::BTreeSet::new();
        used.extend((0..1_000).map(|number| slice(PlayerId(number))));
        assert!(used.len() > 60 && used.iter().all(|slice| (0..SLICES as i32).contains(slice)));
    }
}
