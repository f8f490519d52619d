//! The deterministic world: state and inputs to state and events.
//!
//! No clock, no I/O, no floats, no randomness but the seed's. A zone feeds a [`World`] with players, inputs, commands and
//! ghosts and calls [`World::step`] once a tick; what happened comes back as [`Event`]s, what is to be seen as
//! [`EntityView`]s. What the world means is a [`Game`]; [`DefaultGame`] is one to play at once and to learn from.

#![forbid(unsafe_code)]

pub mod codec;
pub mod default_game;
pub mod event;
pub mod game;
pub mod ghost;
pub mod input;
pub mod mint;
pub mod motion;
mod neighbours;
pub mod population;
pub mod save;
pub mod scene;
pub mod state;
pub mod step;
pub mod view;
pub mod world;

pub use default_game::DefaultGame;
pub use event::{Deferral, Event, Outcome, RequestId};
pub use game::{Game, Look, Subject, Verdict};
pub use ghost::{GhostState, Shown};
pub use input::{InputRefused, InputValue};
pub use mint::{Mint, MintError};
pub use motion::{Body, Heading, SpeedClass};
pub use scene::Scene;
pub use state::{ActionId, Applied, InsertError, PlayerState, ThingState};
pub use view::{EntityView, Kind};
pub use world::{CommandRefused, World, WorldConfig};
