//! Ctrl-C and the signal with which service managers end a process.

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The user or the system wants an end. What was begun has been cleaned up.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("stopped before it was done")]
pub struct Stopped;

/// The wish to end, once somebody has it.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Starts listening. Must be called within a runtime.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn listen() -> anyhow::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt()).context("listening for Ctrl-C")?;
        let mut terminate = signal(SignalKind::terminate()).context("listening for the end")?;
        let (wish, stop) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            wish.send_replace(true);
            // Whoever asks later must still hear of it.
            wish.closed().await;
        });
        Ok(Self(stop))
    }

    /// A wish that comes through this channel, if it comes.
    #[cfg(test)]
    pub fn of(wish: watch::Receiver<bool>) -> Self {
        Self(wish)
    }

    /// Whether somebody wants an end.
    pub fn is_wanted(&self) -> bool {
        *self.0.borrow()
    }

    /// Until somebody wants an end.
    pub async fn wanted(&self) {
        let mut wish = self.0.clone();
        if wish.wait_for(|wanted| *wanted).await.is_err() {
            // Nobody is left who could want one.
            std::future::pending::<()>().await;
        }
    }
}
