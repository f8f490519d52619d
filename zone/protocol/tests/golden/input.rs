use darkages_protocol::input::InputDatagram;
use darkages_protocol::{InputValue, SnapshotAck, SnapshotNumber};
use darkages_topology::InputSeq;
use serde_json::{Value, json};

const fn value(heading: u8, moving: bool, sprinting: bool) -> InputValue {
    InputValue { heading, moving, sprinting }
}

/// What a datagram says, the known number at its reader and what the reader gets.
fn vector(name: &str, newest: u32, runs: &[(InputValue, u32)], ack: Option<(u32, u16)>, known: u32) -> Value {
    let mut bytes = Vec::new();
    let said = ack.map(|(number, older)| SnapshotAck::new(SnapshotNumber(number), older));
    InputDatagram::encode(InputSeq(newest), runs.iter().copied(), said, &mut bytes);
    let read = InputDatagram::decode(&bytes, InputSeq(known)).expect("it is in the window");
    let fields =
        |value: InputValue| json!({ "heading": value.heading, "moving": value.moving, "sprinting": value.sprinting });
    let inputs = |(seq, value): (InputSeq, InputValue)| json!({ "seq": seq.0, "value": fields(value) });
    json!({
        "name": name,
        "hex": super::hex(&bytes),
        "newest": newest,
        "runs": runs.iter().map(|(value, count)| json!({ "count": count, "value": fields(*value) })).collect::<Vec<_>>(),
        "ack": ack.map(|(number, older)| json!({ "newest": number, "older": older })),
        "known": known,
        "new_inputs": read.iter().map(inputs).collect::<Vec<_>>(),
    })
}

#[test]
fn input_datagrams() {
    let (stand, north, east) = (value(0, false, false), value(64, true, false), value(0, true, true));
    super::golden(
        "input",
        &[
            vector("the first input", 1, &[(stand, 1)], None, 0),
            vector("a walker with six unacknowledged inputs", 1_234, &[(north, 6)], None, 1_233),
            vector("and with an acknowledgement", 1_234, &[(north, 6)], Some((300, 0)), 1_233),
            vector(
                "turns, after two lost datagrams",
                70_003,
                &[(east, 2), (north, 3), (stand, 1)],
                Some((1_000, 0b11)),
                70_000,
            ),
            vector("numbers wrap around", 2, &[(value(255, true, true), 4)], None, u32::MAX),
            vector("no input but an acknowledgement", 50, &[], Some((7, 0)), 50),
        ],
    );
}
