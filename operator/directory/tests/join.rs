//! A directory on a real socket, asked over HTTP.

mod scene;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use darkages_directory::desk::{ISSUED_LIFETIME_S, TOKEN_LIFETIME_S};
use darkages_directory::join::MAX_BODY_BYTES;
use darkages_directory::limit::Rate;
use darkages_directory::view::ZoneState;
use darkages_directory::wire::{IssueAnswer, JoinAnswer};
use darkages_protocol::{ConnectToken, Subject, Ticket, TicketKey, WorldKey};
use darkages_store::ManualClock;
use darkages_topology::{PlayerId, Position, ShardId};

use crate::scene::{BURST, Scene, TICKET_KEY, WORLD_KEY};

fn ticket(player: u64) -> Ticket {
    Ticket {
        player: PlayerId(player),
        world: "meadow".to_owned(),
        expires_unix_s: ManualClock::UNIX_START_S + 60,
        nonce: u128::from(player),
        spawn: Some(Position::from_metres(80, 10)),
    }
}

fn signed(ticket: &Ticket) -> String {
    let text = ticket.sign(&TicketKey::new(&TICKET_KEY));
    serde_json::json!({ "ticket": text }).to_string()
}

#[test]
fn a_good_ticket_opens_the_door_of_the_zone_where_the_player_appears() {
    let scene = Scene::new();
    let answer = scene.post("/v1/join", &signed(&ticket(7)));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let join: JoinAnswer = serde_json::from_str(&answer.body).expect("it is a join answer");
    assert_eq!((join.player, join.endpoint.as_str()), (7, "127.0.0.1:40002"));
    assert_eq!(STANDARD.decode(&join.server_key).expect("base64"), [2; 32]);
    let sealed = STANDARD.decode(&join.token).expect("base64");
    let now = ManualClock::UNIX_START_S;
    let token = ConnectToken::open(&WorldKey::new(&WORLD_KEY), &sealed, now).expect("zones can open it");
    let spawn = Some(Position::from_metres(80, 10));
    assert_eq!((token.subject, token.shard), (Subject::Player { player: PlayerId(7), spawn }, ShardId(2)));
    assert_eq!(STANDARD.decode(&join.psk).expect("base64"), token.psk);
    assert_eq!((token.expires_unix_s, join.expires_unix_s), (now + TOKEN_LIFETIME_S, now + TOKEN_LIFETIME_S));
}

#[test]
fn each_bad_ticket_has_its_own_answer() {
    let scene = Scene::new();
    let refused = |body: &str, status: u16, code: &str| {
        let answer = scene.post("/v1/join", body);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{body}");
    };
    let forged = Ticket::sign(&ticket(1), &TicketKey::new(&[9; 32]));
    refused(&serde_json::json!({ "ticket": forged }).to_string(), 401, "wrong_ticket");
    refused(r#"{"ticket":"no ticket at all"}"#, 401, "wrong_ticket");
    refused(&signed(&Ticket { world: "forest".into(), ..ticket(1) }), 401, "other_world");
    let now = ManualClock::UNIX_START_S;
    refused(&signed(&Ticket { expires_unix_s: now, ..ticket(1) }), 401, "expired_ticket");
    refused(&signed(&Ticket { expires_unix_s: now + 90_000, ..ticket(1) }), 401, "too_long_valid_ticket");
    for body in ["", "{", "[]", "7", r#"{"ticket":7}"#, r#"{"tickets":"a"}"#, "\u{0}\u{1}"] {
        refused(body, 400, "malformed");
    }
    refused(&"x".repeat(MAX_BODY_BYTES + 1), 413, "too_large");
    let good = signed(&ticket(1));
    assert_eq!(scene.post("/v1/join", &good).status, 200);
    refused(&good, 409, "replayed_ticket");
}

#[test]
fn a_ticket_is_not_used_up_while_there_is_no_zone_for_it() {
    let scene = Scene::new();
    scene.change(|view| view.zones[1].state = ZoneState::Starting);
    let body = signed(&ticket(3));
    let answer = scene.post("/v1/join", &body);
    assert_eq!((answer.status, answer.code().as_str()), (503, "no_zone_ready"));
    assert_eq!(answer.retry_after.as_deref(), Some("1"));
    scene.change(|view| view.capacity = 0);
    assert_eq!(scene.post("/v1/join", &body).code(), "world_full");
    scene.change(|view| {
        view.capacity = 10;
        view.zones[1].state = ZoneState::Serving;
    });
    assert_eq!(scene.post("/v1/join", &body).status, 200);
}

#[test]
fn who_asks_too_often_is_told_how_long_to_wait() {
    let scene = Scene::with_rate(Rate { per_second: 0.5, burst: BURST });
    let answers: Vec<_> = (0..20).map(|player| scene.post("/v1/join", &signed(&ticket(player)))).collect();
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), BURST as usize);
    let last = answers.last().expect("there are twenty");
    assert_eq!((last.status, last.code().as_str(), last.retry_after.as_deref()), (429, "too_many", Some("2")));
    scene.clock.advance(Duration::from_secs(2));
    assert_eq!(scene.post("/v1/join", &signed(&ticket(99))).status, 200);
}

#[test]
fn the_development_issuer_gives_tickets_that_admit() {
    let scene = Scene::new();
    let issue = |body: &str| {
        let answer = scene.post("/v1/dev/ticket", body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str::<IssueAnswer>(&answer.body).expect("it is an issued ticket")
    };
    let named = issue(r#"{"player":17,"spawn":{"x":64,"y":64}}"#);
    assert_eq!((named.player, named.expires_unix_s), (17, ManualClock::UNIX_START_S + ISSUED_LIFETIME_S));
    let made_up = [issue("{}"), issue("{}")];
    assert_ne!(made_up[0].player, made_up[1].player);
    for ticket in [named.ticket, made_up[0].ticket.clone()] {
        let answer = scene.post("/v1/join", &serde_json::json!({ "ticket": ticket }).to_string());
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    assert_eq!(scene.post("/v1/dev/ticket", r#"{"player":"me"}"#).code(), "malformed");
    assert_eq!(Scene::without_issuer().post("/v1/dev/ticket", "{}").status, 404);
}

#[test]
fn the_probes_say_whether_every_shard_is_served() {
    let scene = Scene::new();
    assert_eq!(scene.get("/healthz").status, 200);
    assert_eq!(scene.get("/readyz").status, 200);
    scene.change(|view| view.zones[0].state = ZoneState::Silent);
    assert_eq!(scene.get("/readyz").status, 503);
    assert_eq!(scene.get("/healthz").status, 200);
}
