//! The directory: clients ask it where to play, people look at its map.
//!
//! What flows in are pictures of the world from whoever observes the zones ([`view`]) and requests over HTTP; what flows out
//! are connect tokens and frames of the map. It keeps nothing that a second directory would need: tickets are used up in the
//! store, and the picture comes from outside.

#![forbid(unsafe_code)]

pub mod cluster;
pub mod desk;
pub mod feed;
pub mod frame;
pub mod http;
pub mod issuers;
pub mod join;
pub mod jwt;
pub mod limit;
pub mod operator;
mod page;
pub mod pick;
pub mod refusal;
pub mod serve;
pub mod shop;
pub mod spawn;
pub mod stream;
pub mod timeline;
pub mod view;
pub mod wire;
