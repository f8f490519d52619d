//! The directory's JSON, as far as clients need it. Bytes are base64 with the standard alphabet and padding.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use darkages_topology::{PlayerId, Position, Rect};
use serde::{Deserialize, Serialize};

use super::{DirectoryError, Door};
use crate::swarm::ground::Ground;

/// Shards that are read from a picture of the world, at most.
const MAX_SHARDS: usize = 4_096;
/// Characters of a refusal's code that are kept.
const MAX_CODE: usize = 64;
/// Bytes of a sealed token, at most.
const MAX_TOKEN: usize = 1_024;

/// Asks for a ticket of the development issuer.
#[derive(Debug, Serialize)]
pub(super) struct TicketRequest {
    player: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    spawn: Option<Place>,
}

#[derive(Debug, Serialize)]
struct Place {
    x: i32,
    y: i32,
}

impl TicketRequest {
    pub(super) fn new(player: PlayerId, spawn: Option<Position>) -> Self {
        Self { player: player.0, spawn: spawn.map(|Position { x, y }| Place { x, y }) }
    }
}

/// A ticket, opaque to its holder.
#[derive(Debug, Deserialize)]
pub(super) struct Ticket {
    pub(super) ticket: String,
}

/// Asks where to play.
#[derive(Debug, Serialize)]
pub(super) struct JoinRequest {
    pub(super) ticket: String,
}

/// Where to play.
#[derive(Debug, Deserialize)]
pub(super) struct Join {
    endpoint: String,
    server_key: String,
    token: String,
    psk: String,
}

impl Join {
    pub(super) fn door(self) -> Result<Door, DirectoryError> {
        let malformed = |field| DirectoryError::Malformed { field };
        let address = self.endpoint.parse().map_err(|_| malformed("endpoint"))?;
        let key = |text: &str| STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        let server_key = key(&self.server_key).ok_or(malformed("server_key"))?;
        let psk = key(&self.psk).ok_or(malformed("psk"))?;
        let sealed = STANDARD.decode(&self.token).ok().filter(|bytes| !bytes.is_empty() && bytes.len() <= MAX_TOKEN);
        Ok(Door { address, server_key, psk, sealed: sealed.ok_or(malformed("token"))? })
    }
}

/// A refusal's body.
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    error: String,
}

impl Refusal {
    pub(super) fn code(self) -> String {
        self.error.chars().take(MAX_CODE).collect()
    }
}

/// The picture of the world, in metres.
#[derive(Debug, Deserialize)]
pub(super) struct World {
    bounds: [f64; 4],
    zones: Vec<Zone>,
}

#[derive(Debug, Deserialize)]
struct Zone {
    bounds: Option<[f64; 4]>,
}

impl World {
    pub(super) fn ground(&self) -> Result<Ground, DirectoryError> {
        let rect = |[min_x, min_y, max_x, max_y]: [f64; 4]| {
            Rect::from_metres(min_x, min_y, max_x, max_y).map_err(|_| DirectoryError::Malformed { field: "bounds" })
        };
        let shards = self.zones.iter().filter_map(|zone| zone.bounds).take(MAX_SHARDS);
        Ok(Ground { bounds: rect(self.bounds)?, shards: shards.map(rect).collect::<Result<_, _>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_join_answer_is_a_door_or_names_what_is_wrong() {
        let answer = |psk: &str| {
            let json = serde_json::json!({
                "player": 7, "endpoint": "127.0.0.1:40001", "server_key": STANDARD.encode([1; 32]),
                "token": STANDARD.encode([3; 90]), "psk": psk, "expires_unix_s": 1_800_000_000_u64,
            });
            serde_json::from_value::<Join>(json).expect("it has the fields").door()
        };
        let door = answer(&STANDARD.encode([2; 32])).expect("it is complete");
        assert_eq!((door.server_key, door.psk, door.sealed.len()), ([1; 32], [2; 32], 90));
        assert!(!format!("{door:?}").contains("psk"));
        for wrong in ["", "not base64", &STANDARD.encode([2; 31])] {
            assert!(matches!(answer(wrong), Err(DirectoryError::Malformed { field: "psk" })), "{wrong:?}");
        }
    }

    #[test]
    fn a_world_has_bounds_and_the_shards_that_own_ground() {
        let json = r#"{"t":1,"bounds":[-500,-500,500,500],"players":2,"zones":[
            {"id":1,"zone":"a","bounds":[-500,-500,0,500],"players":1,"state":"serving"},
            {"id":3,"zone":"c","bounds":null,"players":1,"state":"draining"},
            {"id":2,"zone":"b","bounds":[0,-500,500,500],"players":0,"state":"serving"}],"dots":[7,0,0,0]}"#;
        let world: World = serde_json::from_str(json).expect("it is JSON");
        let ground = world.ground().expect("its bounds are possible");
        assert_eq!(ground.shards.len(), 2);
        assert_eq!(ground.main_border().at, 0);
    }
}
