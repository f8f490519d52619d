use proptest::prelude::*;

use super::*;

const EAST: InputValue = InputValue { heading: 0, moving: true, sprinting: false };
const STAND: InputValue = InputValue { heading: 200, moving: false, sprinting: false };

fn encode(newest: u32, runs: &[(InputValue, u32)], ack: Option<SnapshotAck>) -> Vec<u8> {
    let mut bytes = Vec::new();
    InputDatagram::encode(InputSeq(newest), runs.iter().copied(), ack, &mut bytes);
    bytes
}

fn inputs(bytes: &[u8], known: u32) -> Vec<(u32, InputValue)> {
    let datagram = InputDatagram::decode(bytes, InputSeq(known)).expect("it is a datagram");
    datagram.iter().map(|(seq, value)| (seq.0, value)).collect()
}

#[test]
fn a_usual_datagram_has_five_bytes_and_seven_with_an_acknowledgement() {
    assert_eq!(encode(70_000, &[(STAND, 9)], None).len(), 5);
    let ack = SnapshotAck::new(SnapshotNumber(100_000), 0);
    assert_eq!(encode(70_000, &[(STAND, 9)], Some(ack)).len(), 7);
    assert_eq!(encode(70_000, &[(STAND, 9), (EAST, 3)], Some(ack)).len(), 11);
    let runs = vec![(STAND, 1); MAX_INPUTS as usize];
    let all_different = encode(70_000, &runs, Some(SnapshotAck::new(SnapshotNumber(127), u16::MAX)));
    assert!(all_different.len() <= MAX_INPUT_BYTES, "{}", all_different.len());
}

#[test]
fn a_datagram_repeats_what_was_lost_and_nothing_twice() {
    let bytes = encode(20_000, &[(STAND, 2), (EAST, 3)], None);
    let all = vec![(19_996, EAST), (19_997, EAST), (19_998, EAST), (19_999, STAND), (20_000, STAND)];
    assert_eq!(inputs(&bytes, 19_990), all, "the gap shows");
    assert_eq!(inputs(&bytes, 19_995), all);
    assert_eq!(inputs(&bytes, 19_997), all[2..]);
    assert_eq!(inputs(&bytes, 19_999), all[4..]);
    assert_eq!(inputs(&bytes, 20_000), []);
    assert_eq!(inputs(&bytes, 20_001), [], "an overtaken datagram holds nothing new");
}

#[test]
fn numbers_beyond_the_window_are_refused() {
    let decode = |newest: u32, known: u32| {
        InputDatagram::decode(&encode(newest, &[(EAST, 1)], None), InputSeq(known)).map(|datagram| datagram.newest.0)
    };
    assert_eq!(decode(5_000 + FUTURE_WINDOW, 5_000), Ok(5_000 + FUTURE_WINDOW));
    assert_eq!(decode(5_001 + FUTURE_WINDOW, 5_000), Err(InputError::Future));
    assert_eq!(decode(5_000, 5_000 + PAST_WINDOW), Ok(5_000));
    assert_eq!(decode(5_000, 5_001 + PAST_WINDOW), Err(InputError::Stale));
    assert_eq!(decode(1, u32::MAX - 1), Ok(1), "numbers wrap around");
}

#[test]
fn hostile_words_are_refused() {
    let refused = |newest: u32, earlier: Vec<u32>, ack: Option<u32>| {
        let bytes = wire::ClientInput { newest, earlier, snapshot_ack: ack }.encode_to_vec();
        InputDatagram::decode(&bytes, InputSeq(0)).expect_err("it is hostile").label()
    };
    assert_eq!(refused(1 | 129 << 24, vec![], None), "input_too_many");
    assert_eq!(refused(1 | 1 << 24, vec![127 << 10, 0], None), "input_too_many");
    assert_eq!(refused(1 | 1 << 24, vec![1 << 18], None), "input_bad_run");
    assert_eq!(refused(1, vec![0], None), "input_bad_run");
    assert_eq!(refused(1, vec![], Some(1 << 21)), "input_bad_ack");
    assert_eq!(InputDatagram::decode(&[0; 513], InputSeq(0)), Err(InputError::TooLong(513)));
}

#[test]
fn acknowledgements_name_snapshots_that_were_sent() {
    let named =
        |ack: SnapshotAck, sent: u32| ack.numbers(SnapshotNumber(sent)).map(|number| number.0).collect::<Vec<_>>();
    assert_eq!(named(SnapshotAck::new(SnapshotNumber(1_000), 0b101), 1_010), [1_000, 999, 997]);
    assert_eq!(named(SnapshotAck::new(SnapshotNumber(1_000), 0), 1_000), [1_000]);
    assert_eq!(named(SnapshotAck::new(SnapshotNumber(1_000), 1), 1_064), [0_u32; 0], "too old");
    assert_eq!(named(SnapshotAck::new(SnapshotNumber(1_001), 1), 1_000), [0_u32; 0], "never sent");
    assert_eq!(named(SnapshotAck::new(SnapshotNumber(2), u16::MAX), 2), [2, 1]);
    assert_eq!(named(SnapshotAck::new(SnapshotNumber(5), 0), 2), [0_u32; 0]);
}

fn values() -> impl Strategy<Value = InputValue> {
    (any::<u8>(), any::<bool>(), any::<bool>()).prop_map(|(heading, moving, sprinting)| InputValue {
        heading,
        moving,
        sprinting,
    })
}

proptest! {
    #[test]
    fn every_input_arrives_as_it_was_made(
        runs in prop::collection::vec((values(), 1_u32..30), 1..5),
        newest in any::<u32>(),
        lag in 0_u32..200,
    ) {
        let made: Vec<(u32, InputValue)> = runs
            .iter()
            .flat_map(|(value, count)| std::iter::repeat_n(*value, *count as usize))
            .enumerate()
            .map(|(back, value)| (newest.wrapping_sub(back as u32), value))
            .take((lag.min(MAX_INPUTS)) as usize)
            .collect();
        let got = inputs(&encode(newest, &runs, None), newest.wrapping_sub(lag));
        prop_assert_eq!(got, made.into_iter().rev().collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_are_refused_or_bounded(bytes in prop::collection::vec(any::<u8>(), 0..600), known in any::<u32>()) {
        if let Ok(datagram) = InputDatagram::decode(&bytes, InputSeq(known)) {
            prop_assert!(datagram.iter().count() <= MAX_INPUTS as usize);
        }
    }

    #[test]
    fn any_words_are_refused_or_bounded(
        newest in any::<u32>(),
        earlier in prop::collection::vec(0_u32..1 << 18, 0..4),
        snapshot_ack in prop::option::of(0_u32..1 << 22),
        known in any::<u32>(),
        sent in any::<u32>(),
    ) {
        let bytes = wire::ClientInput { newest, earlier, snapshot_ack }.encode_to_vec();
        if let Ok(datagram) = InputDatagram::decode(&bytes, InputSeq(known)) {
            let inputs: Vec<_> = datagram.iter().collect();
            prop_assert!(inputs.len() <= MAX_INPUTS as usize);
            prop_assert!(inputs.iter().all(|(seq, _)| seq.0.wrapping_sub(known).wrapping_sub(1) < FUTURE_WINDOW));
            if let Some(ack) = datagram.ack {
                prop_assert!(ack.numbers(SnapshotNumber(sent)).all(|number| number.0 <= sent && number.0 > 0));
            }
        }
    }
}
