//! What is done to a zone process on purpose: it is killed, told where to crash, frozen.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use anyhow::Context as _;
use darkages_server::zone::CrashOrder;
use darkages_topology::control::CrashRequest;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use super::{Process, stop};

impl Process {
    /// Ends it in the middle of whatever it does, as a crash would.
    pub fn kill(&mut self) {
        stop(&mut self.child);
    }

    /// Tells it where to crash, or that it is not to. One that does not hear does not crash.
    pub fn crash_at(&self, order: Option<CrashOrder>) {
        if order.is_none() {
            self.spare(None);
        }
        let request = order.map_or_else(CrashRequest::default, |CrashOrder { point, visit, with }| CrashRequest {
            point: point.label().to_owned(),
            visit: visit.get(),
            with_shard: with.map_or(0, |shard| shard.0),
        });
        self.link.crash(request);
    }

    /// Lets nobody or `other` be killed in the very moment in which this one ends: some ten thousandths of a second later. The kernel
    /// tells of the end and knows the other by more than its number, so that nobody else is ever hit.
    ///
    /// # Errors
    /// When one of them has ended and was waited for.
    pub fn take_along(&self, other: Option<&Self>) -> anyhow::Result<()> {
        let Some(other) = other else {
            self.spare(None);
            return Ok(());
        };
        let descriptor = |child| pidfd_open(Pid::from_child(child), PidfdFlags::empty());
        let own = descriptor(&self.child).context("watching for its end")?;
        let others = descriptor(&other.child).context("aiming at the other side")?;
        let spared = Arc::new(AtomicBool::new(false));
        self.spare(Some(Arc::clone(&spared)));
        // It blocks until the process ends, which every process of a run does.
        std::thread::Builder::new().name("take-along".into()).spawn(move || {
            let ends = poll(&mut [PollFd::new(&own, PollFlags::IN)], None);
            if ends.is_ok() && !spared.load(Ordering::SeqCst) {
                // It may have ended by itself.
                let _ = pidfd_send_signal(&others, Signal::KILL);
            }
        })?;
        Ok(())
    }

    /// Takes nobody along any more but the one whom this flag spares.
    pub(super) fn spare(&self, along: Option<Arc<AtomicBool>>) {
        let mut held = self.along.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = std::mem::replace(&mut *held, along) {
            old.store(true, Ordering::SeqCst);
        }
    }

    /// Stops it in the middle of whatever it does, until it is thawed. Says whether it runs.
    pub fn freeze(&self) -> bool {
        kill_process(Pid::from_child(&self.child), Signal::STOP).is_ok()
    }

    /// Lets it go on. One that is not frozen does so anyway.
    pub fn thaw(&self) {
        // One that has ended is seen by its end.
        let _ = kill_process(Pid::from_child(&self.child), Signal::CONT);
    }
}
