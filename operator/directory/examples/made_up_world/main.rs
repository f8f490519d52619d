//! Serves the map page for a world that is made up, so that the page can be looked at and tested without zones.
//!
//! `made_up_world [ADDRESS] [PLAYERS]` prints the address that it listens on (give port 0 for any) and serves until it is
//! killed: players gather at one point, zones are cut when they are full, borders slide, and zones merge when the crowd has gone.

mod crowd;
mod map;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use darkages_directory::http::map_routes;
use darkages_directory::serve::serve;
use darkages_directory::stream::Broadcast;
use darkages_directory::timeline::Sample;
use darkages_directory::view::WorldView;
use darkages_topology::{Position, Rect};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::interval;

use crate::crowd::Crowd;
use crate::map::MadeUpMap;

const PICTURES_A_SECOND: u32 = 8;
const HALF_EXTENT_M: i32 = 500;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    let players = arguments.next().map_or(Ok(640), |text| text.parse())?;
    let half = HALF_EXTENT_M;
    let bounds = Rect::new(Position::from_metres(-half, -half), Position::from_metres(half, half))?;
    let (publish, world) = watch::channel(Arc::new(WorldView::unknown(bounds)));
    let (_open, closing) = watch::channel(false);
    let listener = TcpListener::bind(&address).await?;
    println!("http://{}", listener.local_addr()?);
    tokio::spawn(serve(listener, map_routes(Broadcast::new(world, closing.clone())), closing));
    pretend(bounds, players, &publish).await
}

async fn pretend(
    bounds: Rect,
    players: u32,
    publish: &watch::Sender<Arc<WorldView>>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut view = WorldView { capacity: 2 * players, standby: 1, ..WorldView::unknown(bounds) };
    let mut crowd = Crowd::new(players);
    let mut map = MadeUpMap::new(bounds, players)?;
    let mut beat = interval(Duration::from_secs(1) / PICTURES_A_SECOND);
    for number in 0u64.. {
        beat.tick().await;
        let seconds = number as f32 / PICTURES_A_SECOND as f32;
        view.unix_ms = unix_ms();
        crowd.walk(seconds, 1.0 / PICTURES_A_SECOND as f32);
        map.change(seconds, crowd.positions(), &mut view)?;
        if number % u64::from(PICTURES_A_SECOND) == 0 {
            let sample = Sample {
                unix_ms: view.unix_ms,
                players: view.players(),
                tick_p99_us: view.tick_p99_us(),
                zones: map.zones(),
            };
            view.timeline.sample(sample);
        }
        publish.send_replace(Arc::new(view.clone()));
    }
    Ok(())
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}
