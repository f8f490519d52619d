use darkages_protocol::{ConnectToken, Subject, Ticket, TicketKey, WorldKey};
use darkages_topology::{HandoffId, PlayerId, Position, ShardEpoch, ShardId};
use serde_json::json;

#[test]
fn connect_tokens() {
    let world_key: [u8; 32] = std::array::from_fn(|at| at as u8);
    let random: [u8; 12] = std::array::from_fn(|at| 0xa0 + at as u8);
    let (player, spawn) = (PlayerId(7), Position { x: -64, y: 6_400 });
    let handoff = HandoffId { from: ShardId(3), from_epoch: ShardEpoch(8), number: 300 };
    let subjects = [
        ("a player", Subject::Player { player, spawn: None }, json!({ "player": 7 })),
        ("a new player", Subject::Player { player, spawn: Some(spawn) }, json!({ "player": 7, "x": -64, "y": 6_400 })),
        ("a peer", Subject::Peer { shard: ShardId(3), epoch: ShardEpoch(8) }, json!({ "shard": 3, "epoch": 8 })),
        (
            "a redirected player",
            Subject::Redirected { player, handoff },
            json!({ "player": 7, "from": 3, "from_epoch": 8, "handoff": 300 }),
        ),
    ];
    let vectors = subjects.map(|(name, subject, fields)| {
        let token = ConnectToken { subject, shard: ShardId(4), psk: [9; 32], expires_unix_s: 1_800_000_030, nonce: 1 << 100 };
        let sealed = token.seal(&WorldKey::new(&world_key), random);
        json!({
            "name": name, "world_key": super::hex(&world_key), "random": super::hex(&random), "subject": fields, "shard": 4,
            "psk": super::hex(&token.psk), "expires_unix_s": token.expires_unix_s,
            "nonce": super::hex(&token.nonce.to_le_bytes()), "hex": super::hex(&sealed),
        })
    });
    super::golden("token", &vectors);
}

#[test]
fn tickets() {
    let key: [u8; 32] = std::array::from_fn(|at| 0x40 + at as u8);
    let spawns = [("any place", None), ("a wished place", Some(Position { x: -64, y: 6_400 }))];
    let vectors = spawns.map(|(name, spawn)| {
        let ticket = Ticket {
            player: PlayerId(7),
            world: "meadow".to_owned(),
            expires_unix_s: 1_800_000_300,
            nonce: 0x0102_0304,
            spawn,
        };
        json!({
            "name": name, "key": super::hex(&key), "player": 7, "world": ticket.world, "expires_unix_s": ticket.expires_unix_s,
            "nonce": super::hex(&ticket.nonce.to_le_bytes()), "spawn": spawn.map(|Position { x, y }| json!([x, y])),
            "text": ticket.sign(&TicketKey::new(&key)),
        })
    });
    super::golden("ticket", &vectors);
}
