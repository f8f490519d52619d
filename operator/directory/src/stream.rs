//! The stream that the map page lives on: one server-sent event per picture, encoded once for everybody.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::response::sse::Event;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_stream::wrappers::ReceiverStream;

use crate::frame::{Past, encode};
use crate::view::{WorldView, WorldWatch};

/// Subscribers at once. Each costs about 150 kB/s at a thousand players.
pub const SUBSCRIBERS: usize = 64;

/// Shortest time between two frames: 10 a second.
pub const FRAME_PERIOD: Duration = Duration::from_millis(100);

/// A picture is sent again after this long without a new one, so that the page and the proxies between see that the
/// connection lives.
const REPEAT_AFTER: Duration = Duration::from_secs(2);

/// A subscriber that takes nothing for this long is dropped; the page comes back by itself.
const STALLED_AFTER: Duration = Duration::from_secs(10);

/// Where subscribers come in.
#[derive(Clone, Debug)]
pub struct Broadcast {
    world: WorldWatch,
    closing: watch::Receiver<bool>,
    places: Arc<Semaphore>,
    newest: Arc<Mutex<Option<Encoded>>>,
}

/// A picture and its frame, kept until a subscriber asks for a newer one.
#[derive(Clone, Debug)]
struct Encoded {
    view: Arc<WorldView>,
    frame: Arc<str>,
}

impl Broadcast {
    /// A stream of the pictures in `world` that ends for everybody when `closing` turns true.
    #[must_use]
    pub fn new(world: WorldWatch, closing: watch::Receiver<bool>) -> Self {
        Self { world, closing, places: Arc::new(Semaphore::new(SUBSCRIBERS)), newest: Arc::default() }
    }

    /// The pictures that it streams.
    #[must_use]
    pub const fn world(&self) -> &WorldWatch {
        &self.world
    }

    /// The events for one more subscriber, or `None` when there are [`SUBSCRIBERS`].
    #[must_use]
    pub fn subscribe(&self) -> Option<ReceiverStream<Result<Event, Infallible>>> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let (events, stream) = mpsc::channel(1);
        tokio::spawn(self.clone().feed(events, place));
        Some(ReceiverStream::new(stream))
    }

    async fn feed(mut self, events: mpsc::Sender<Result<Event, Infallible>>, _place: OwnedSemaphorePermit) {
        let first = encode(&self.world.borrow_and_update().clone(), Past::Whole);
        let mut frame: Arc<str> = first.into();
        let mut pace = interval(FRAME_PERIOD);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let event = Event::default().data(&*frame);
            if !matches!(timeout(STALLED_AFTER, events.send(Ok(event))).await, Ok(Ok(()))) {
                return;
            }
            pace.tick().await;
            tokio::select! {
                changed = timeout(REPEAT_AFTER, self.world.changed()) => {
                    if matches!(changed, Ok(Err(_))) {
                        return;
                    }
                }
                _ = self.closing.wait_for(|closing| *closing) => return,
                () = events.closed() => return,
            }
            let view = self.world.borrow_and_update().clone();
            frame = self.frame_of(&view);
        }
    }

    fn frame_of(&self, view: &Arc<WorldView>) -> Arc<str> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(encoded) = newest.as_ref().filter(|encoded| Arc::ptr_eq(&encoded.view, view)) {
            return Arc::clone(&encoded.frame);
        }
        let frame: Arc<str> = encode(view, Past::Recent).into();
        *newest = Some(Encoded { view: Arc::clone(view), frame: Arc::clone(&frame) });
        frame
    }
}
