use darkages_topology::{EntityId, HandoffId, InputSeq, OwnerEpoch, PlayerId, Rect, ShardEpoch, ShardId, Tick};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::code::{AdmissionCode, ClosingCode, ResultCode};
use crate::wire;

fn goods(gold: u64, items: u64) -> Goods {
    Goods { gold, items: (0..items).map(|item| EntityId(item | 1 << 40)).collect() }
}

fn commands() -> Vec<Command> {
    let entity = EntityId(u64::MAX);
    vec![
        Command::Attack { kind: AttackKind::Melee, target: entity },
        Command::Attack { kind: AttackKind::Ranged, target: EntityId(0) },
        Command::PickUp { loot: entity },
        Command::Give { to: entity, goods: goods(MAX_GOLD, 32) },
        Command::Give { to: entity, goods: Goods::default() },
        Command::Offer { to: entity, give: goods(MAX_GOLD, 32), want: goods(1, 32) },
        Command::Accept { offer: entity },
        Command::Decline { offer: entity },
        Command::Respawn,
    ]
}

#[test]
fn every_client_message_comes_back_and_fits() {
    let commands =
        commands().into_iter().map(|command| ClientMessage::Command { request: RequestId(u64::MAX), command });
    for message in commands.chain([ClientMessage::Leave, ClientMessage::Ping { cookie: 3 }]) {
        let bytes = message.encode();
        assert!(bytes.len() <= MAX_CLIENT_MESSAGE_BYTES, "{} bytes", bytes.len());
        assert_eq!(ClientMessage::decode(&bytes), Ok(message));
    }
}

fn zone_messages() -> Vec<ZoneMessage> {
    let entity = EntityId(7 << 40 | 3);
    let handoff = HandoffId { from: ShardId(3), from_epoch: ShardEpoch(4), number: 5 };
    let redirect = Redirect {
        handoff,
        endpoint: "[2001:db8::1]:7777".parse().expect("it is an address"),
        server_key: [1; 32],
        psk: [2; 32],
        token: vec![3; MAX_TOKEN_BYTES],
        owner_epoch: OwnerEpoch(9),
    };
    let welcome = Welcome {
        player: PlayerId(8),
        entity,
        tick: Tick(100),
        tick_rate_hz: 60,
        snapshot_rate_hz: 20,
        owner_epoch: OwnerEpoch(0),
        applied: InputSeq(12),
        bounds: Rect::from_metres(-500.0, -500.0, 500.0, 500.0).expect("they are bounds"),
    };
    let items = (0..32).map(|item| Item { id: EntityId(item), kind: u16::MAX }).collect();
    let events = [
        Event::Hit { attacker: entity, target: EntityId(1), kind: AttackKind::Ranged, damage: 255 },
        Event::Died { entity, by: EntityId(1) },
        Event::Respawned { entity },
        Event::Received { from: entity, goods: goods(5, 2) },
        Event::Offered { offer: entity, from: entity, to: EntityId(1), give: goods(1, 32), want: goods(2, 32) },
        Event::OfferClosed { offer: entity },
    ];
    let mut messages = vec![
        ZoneMessage::Welcome(welcome),
        ZoneMessage::Redirect(Box::new(redirect)),
        ZoneMessage::RedirectCancelled { handoff },
        ZoneMessage::SelfState(SelfState { hit_points: 100, gold: MAX_GOLD, items, version: u32::MAX }),
        ZoneMessage::CommandResult { request: RequestId(1), code: ResultCode::Game(u16::MAX) },
        ZoneMessage::Pong(Pong { cookie: 1, tick: Tick(2), micros: 1_000_000 }),
    ];
    messages.extend(events.into_iter().map(ZoneMessage::Event));
    messages.extend(ResultCode::ALL.map(|code| ZoneMessage::CommandResult { request: RequestId(2), code }));
    messages.extend(ClosingCode::ALL.map(ZoneMessage::Closing));
    messages
}

#[test]
fn every_zone_message_comes_back_and_fits() {
    for message in zone_messages() {
        let bytes = message.encode();
        assert!(bytes.len() <= MAX_ZONE_MESSAGE_BYTES, "{} bytes", bytes.len());
        assert_eq!(ZoneMessage::decode(&bytes), Ok(message));
    }
}

#[test]
fn codes_are_numbered_as_in_the_proto_file() {
    for code in ClosingCode::ALL {
        let name = wire::ClosingCode::try_from(i32::from(code.code())).expect("it is in the file").as_str_name();
        assert_eq!(name.to_lowercase(), format!("closing_code_{}", code.label()));
    }
    for code in ResultCode::ALL {
        let name = code.to_wire().0.as_str_name();
        assert_eq!(name.to_lowercase(), format!("result_code_{}", code.label()));
    }
    for code in AdmissionCode::ALL {
        assert_eq!(AdmissionCode::from_code(code.code()), Some(code));
    }
}

#[test]
fn values_out_of_range_are_refused() {
    use wire::client_message::Message as C;
    use wire::command::Action as A;
    let command = |action: Option<A>| {
        let message = Some(C::Command(wire::Command { request_id: 1, action }));
        ClientMessage::decode(&wire::ClientMessage { message }.encode_to_vec()).expect_err("it is hostile")
    };
    let give = |gold, items| command(Some(A::Give(wire::Give { to: 1, goods: Some(wire::Goods { gold, items }) })));
    assert_eq!(give(MAX_GOLD + 1, vec![]), MessageError::OutOfRange("gold"));
    assert_eq!(give(0, vec![1; 33]), MessageError::OutOfRange("items"));
    assert_eq!(command(None), MessageError::Missing("command"));
    assert_eq!(command(Some(A::Attack(wire::Attack { kind: 0, target: 1 }))), MessageError::OutOfRange("kind"));
    assert_eq!(command(Some(A::Attack(wire::Attack { kind: 9, target: 1 }))), MessageError::OutOfRange("kind"));
    assert_eq!(ClientMessage::decode(&[]), Err(MessageError::Missing("message")));
    assert_eq!(ClientMessage::decode(&[0; 1_025]).expect_err("it is too long").label(), "message_too_long");
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_come_back(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(message) = ClientMessage::decode(&bytes) {
            prop_assert_eq!(ClientMessage::decode(&message.encode()), Ok(message));
        }
        if let Ok(message) = ZoneMessage::decode(&bytes) {
            prop_assert_eq!(ZoneMessage::decode(&message.encode()), Ok(message));
        }
    }

    #[test]
    fn changed_messages_are_refused_or_come_back(which in any::<prop::sample::Index>(), at in any::<usize>(), byte in any::<u8>()) {
        let messages = zone_messages();
        let mut bytes = which.get(&messages).encode();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(message) = ZoneMessage::decode(&bytes) {
            prop_assert_eq!(ZoneMessage::decode(&message.encode()), Ok(message));
        }
    }
}
