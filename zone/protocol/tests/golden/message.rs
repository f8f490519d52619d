use darkages_protocol::{
    AttackKind, ClientMessage, ClosingCode, Command, Goods, Redirect, RequestId, ResultCode, Welcome, ZoneMessage,
};
use darkages_topology::{EntityId, HandoffId, InputSeq, OwnerEpoch, PlayerId, Rect, ShardEpoch, ShardId, Tick};
use serde_json::json;

#[test]
fn client_messages() {
    let command = |command| ClientMessage::Command { request: RequestId(4_294_967_297), command };
    let goods = Goods { gold: 5, items: vec![EntityId::new(ShardId(1), 6)] };
    let to = EntityId::new(ShardId(1), 5);
    let messages = [
        ("attack", command(Command::Attack { kind: AttackKind::Melee, target: to })),
        ("give", command(Command::Give { to, goods: goods.clone() })),
        ("offer", command(Command::Offer { to, give: goods, want: Goods { gold: 7, items: vec![] } })),
        ("respawn", command(Command::Respawn)),
        ("leave", ClientMessage::Leave),
        ("ping", ClientMessage::Ping { cookie: 1 }),
    ];
    let vectors = messages.map(|(name, message)| json!({ "name": name, "hex": super::hex(&message.encode()) }));
    super::golden("client_message", &vectors);
}

#[test]
fn zone_messages() {
    let handoff = HandoffId { from: ShardId(1), from_epoch: ShardEpoch(3), number: 17 };
    let welcome = Welcome {
        player: PlayerId(7),
        entity: EntityId::new(ShardId(1), 5),
        tick: Tick(123_456),
        tick_rate_hz: 60,
        snapshot_rate_hz: 20,
        owner_epoch: OwnerEpoch(1),
        applied: InputSeq(0),
        bounds: Rect::from_metres(-500.0, -500.0, 500.0, 500.0).expect("they are bounds"),
    };
    let redirect = Redirect {
        handoff,
        endpoint: "127.0.0.1:7777".parse().expect("it is an address"),
        server_key: [0x11; 32],
        psk: [0x22; 32],
        token: vec![0x33; 4],
        owner_epoch: OwnerEpoch(2),
    };
    let messages = [
        ("welcome", ZoneMessage::Welcome(welcome)),
        ("redirect", ZoneMessage::Redirect(Box::new(redirect))),
        ("redirect_cancelled", ZoneMessage::RedirectCancelled { handoff }),
        ("command_result", ZoneMessage::CommandResult { request: RequestId(9), code: ResultCode::OutOfRange }),
        ("closing", ZoneMessage::Closing(ClosingCode::HandedOver)),
    ];
    let vectors = messages.map(|(name, message)| json!({ "name": name, "hex": super::hex(&message.encode()) }));
    super::golden("zone_message", &vectors);
}
