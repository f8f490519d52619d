use proptest::prelude::*;

use super::*;

const ITEM: EntityId = EntityId(9);

fn player(number: usize) -> PlayerId {
    PlayerId(number as u64 + 1)
}

fn holdings(gold: u64, items: &[EntityId]) -> Holdings {
    Holdings { gold, items: items.iter().copied().collect() }
}

fn second(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// Player 1 with 100 gold and an item, player 2 with 100 gold.
fn history() -> History {
    let mut history = History::default();
    history.saw(player(0), second(0), holdings(100, &[ITEM]));
    history.saw(player(1), second(0), holdings(100, &[]));
    history
}

/// Player 1 gives player 2 so much at a second.
fn ask(history: &mut History, request: u64, gold: u64, items: &[EntityId], at: u64) {
    let (giver, receiver, items, asked) = (player(0), player(1), items.to_vec(), second(at));
    history.asked(Transfer { giver, receiver, request, gold, items, asked, answered: None, answer: Answer::Unknown });
}

fn end(one: Holdings, other: Holdings) -> BTreeMap<PlayerId, Holdings> {
    BTreeMap::from([(player(0), one), (player(1), other)])
}

fn faults(judgement: &Judgement) -> Vec<Fault> {
    judgement.findings.iter().map(|finding| finding.fault).collect()
}

#[test]
fn what_was_acknowledged_must_be_on_both_sides() {
    let mut history = history();
    ask(&mut history, 1, 30, &[ITEM], 1);
    assert!(history.answered(player(0), 1, second(2), true));
    let good = judge(&history, &end(holdings(70, &[]), holdings(130, &[ITEM])), Scope::Closed);
    assert_eq!((faults(&good), good.gold_before, good.gold_after), (vec![], 200, 200));

    let lost = judge(&history, &end(holdings(100, &[ITEM]), holdings(100, &[])), Scope::Closed);
    // The giver has gold and item again, the receiver lacks both; no sum tells.
    assert_eq!(faults(&lost), [Fault::Doubled, Fault::Doubled, Fault::Lost, Fault::Lost]);
    assert_eq!((lost.acked_lost, lost.acked_duplicated), (2, 2));
    assert!(lost.findings[2].evidence.contains("request 1"), "{:?}", lost.findings);
}

#[test]
fn a_refused_transfer_leaves_no_trace() {
    let mut history = history();
    ask(&mut history, 1, 30, &[], 1);
    assert!(history.answered(player(0), 1, second(2), false));
    assert!(!history.answered(player(0), 1, second(2), true), "it is answered once");
    let judgement = judge(&history, &end(holdings(70, &[ITEM]), holdings(130, &[])), Scope::Open);
    assert_eq!(faults(&judgement), [Fault::Lost, Fault::Doubled]);
}

#[test]
fn a_transfer_without_an_answer_happened_whole_or_not_at_all() {
    let mut history = history();
    ask(&mut history, 1, 30, &[], 1);
    ask(&mut history, 2, 5, &[], 1);
    for (one, fine) in [(100, true), (95, true), (70, true), (65, true), (90, false), (60, false)] {
        let judgement = judge(&history, &end(holdings(one, &[ITEM]), holdings(200 - one, &[])), Scope::Closed);
        assert_eq!(judgement.findings.is_empty(), fine, "{one}: {judgement:?}");
    }
    let half = judge(&history, &end(holdings(70, &[ITEM]), holdings(100, &[])), Scope::Closed);
    assert_eq!(faults(&half), [Fault::NotConserved], "gold that went and did not come");
}

#[test]
fn an_item_in_two_hands_or_in_none_is_found() {
    let history = history();
    let twice = judge(&history, &end(holdings(100, &[ITEM]), holdings(100, &[ITEM])), Scope::Closed);
    assert_eq!((faults(&twice), twice.items_duplicated), (vec![Fault::HeldTwice], 1));
    let gone = judge(&history, &end(holdings(100, &[]), holdings(100, &[])), Scope::Closed);
    assert_eq!(faults(&gone), [Fault::Lost, Fault::NotConserved]);
    let new = judge(&history, &end(holdings(100, &[ITEM]), holdings(100, &[EntityId(5)])), Scope::Closed);
    assert_eq!(faults(&new), [Fault::NotConserved]);
}

#[test]
fn a_player_who_is_gone_is_found() {
    let judgement = judge(&history(), &BTreeMap::from([(player(0), holdings(100, &[ITEM]))]), Scope::Open);
    assert_eq!(faults(&judgement), [Fault::Missing]);
}

#[test]
fn what_a_player_sees_after_a_crash_has_what_was_acknowledged_before() {
    let mut history = history();
    ask(&mut history, 1, 30, &[], 1);
    assert!(history.answered(player(0), 1, second(2), true));
    // Until the answer is old, what is told may have been on its way before.
    history.saw(player(1), second(4), holdings(100, &[]));
    history.saw(player(1), second(5), holdings(130, &[]));
    let last = end(holdings(70, &[ITEM]), holdings(130, &[]));
    assert_eq!(faults(&judge(&history, &last, Scope::Closed)), []);
    // It was there, and is not there later.
    history.saw(player(1), second(60), holdings(100, &[]));
    history.saw(player(1), second(61), holdings(130, &[]));
    let judgement = judge(&history, &last, Scope::Closed);
    assert_eq!((faults(&judgement), judgement.reads), (vec![Fault::Lost], 5));
}

#[test]
fn a_history_is_judged_after_a_journey_as_json() {
    let mut history = history();
    ask(&mut history, 1, 30, &[ITEM], 1);
    let json = serde_json::to_string(&history).expect("it has JSON");
    let again: History = serde_json::from_str(&json).expect("it is read");
    assert_eq!(
        (again.transfers(), again.first(), again.count(Answer::Unknown)),
        (history.transfers(), history.first(), 1)
    );
}

/// A run of transfers among four players: giver, receiver, gold, what becomes of it (done, refused, unknown and carried out, unknown
/// and not).
fn runs() -> impl Strategy<Value = Vec<(usize, usize, u64, u8)>> {
    prop::collection::vec((0..4usize, 0..4usize, 1..6u64, 0..4u8), 0..60)
}

/// The history of such a run, and what everybody has in the end.
fn play(run: &[(usize, usize, u64, u8)]) -> (History, BTreeMap<PlayerId, Holdings>) {
    let mut history = History::default();
    let mut gold = [1_000u64; 4];
    for (number, has) in gold.iter().enumerate() {
        history.saw(player(number), second(0), holdings(*has, &[]));
    }
    for (request, (giver, receiver, amount, fate)) in (1..).zip(run) {
        let (giver, receiver, at) = (*giver, *receiver, second(request));
        let (by, to) = (player(giver), player(receiver));
        let answer = Answer::Unknown;
        let asked = Transfer {
            giver: by,
            receiver: to,
            request,
            gold: *amount,
            items: vec![],
            asked: at,
            answered: None,
            answer,
        };
        history.asked(asked);
        if matches!(fate, 0 | 2) {
            gold[giver] -= amount;
            gold[receiver] += amount;
        }
        if *fate < 2 {
            history.answered(by, request, at, *fate == 0);
        }
        history.saw(to, at, holdings(gold[receiver], &[]));
    }
    let end = gold.iter().enumerate().map(|(number, has)| (player(number), holdings(*has, &[])));
    (history, end.collect())
}

proptest! {
    #[test]
    fn a_world_that_keeps_its_promises_is_never_blamed(run in runs()) {
        let (history, end) = play(&run);
        let judgement = judge(&history, &end, Scope::Closed);
        prop_assert_eq!(judgement.findings, vec![]);
    }

    #[test]
    fn one_piece_that_moved_by_itself_is_found(run in runs(), from in 0..4usize, to in 0..4usize) {
        // Without open transfers every account is certain.
        let run: Vec<_> = run.into_iter().map(|(giver, receiver, gold, fate)| (giver, receiver, gold, fate % 2)).collect();
        prop_assume!(from != to);
        let (history, mut end) = play(&run);
        end.get_mut(&player(from)).expect("it is there").gold -= 1;
        end.get_mut(&player(to)).expect("it is there").gold += 1;
        let judgement = judge(&history, &end, Scope::Closed);
        prop_assert_eq!((judgement.acked_lost, judgement.acked_duplicated), (1, 1));
    }
}
