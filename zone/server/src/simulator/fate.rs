//! The faults: at any time, and at the important steps of a handoff.

use rand::RngExt;

use super::Time;
use super::cx::{Cx, Strike};
use super::mail::Node;
use super::pod::Pod;
use crate::handoff::{Action, PeerMessage, StoreRequest};

/// Whether something happens to this pod before it carries out what its machine asked for. Other strikes are put down for
/// after the event.
pub fn strikes(pod: &Pod, actions: &[Action], cx: &mut Cx) -> bool {
    if cx.weather.strikes == 0.0 {
        return false;
    }
    let mut is_before = false;
    for action in actions.iter().filter(|action| is_important(action)) {
        if !cx.happens(cx.weather.strikes) {
            continue;
        }
        let me = pod.index;
        let peer = match action {
            Action::Send { to, .. } => pod.pod_of(to.shard),
            _ => None,
        };
        let while_frozen: Time = cx.rng.random_range(100_000..2_500_000);
        let until = cx.now + cx.rng.random_range(200_000..3_000_000);
        let strike = match (cx.rng.random_range(0..8), peer) {
            (0, _) => {
                is_before = true;
                Strike::Kill(me)
            }
            (1, _) => Strike::Kill(me),
            (2, _) => Strike::Freeze(me, while_frozen),
            (3, Some(peer)) => Strike::Kill(peer),
            (4, Some(peer)) => Strike::Freeze(peer, while_frozen),
            (7, Some(peer)) => {
                cx.strikes.push(Strike::Kill(peer));
                Strike::Kill(me)
            }
            (5 | 6, Some(peer)) => Strike::Cut(Node::Pod(me), Node::Pod(peer), until),
            _ => Strike::Cut(Node::Pod(me), Node::Store, until),
        };
        cx.strikes.push(strike);
    }
    is_before
}

fn is_important(action: &Action) -> bool {
    match action {
        Action::Send { message, .. } => {
            !matches!(message, PeerMessage::Probe { .. } | PeerMessage::ProbeAnswer { .. } | PeerMessage::Abort { .. })
        }
        Action::Store { request, .. } => matches!(request, StoreRequest::Swap(_)),
        Action::Redirect { .. } | Action::Playing { .. } => true,
        _ => false,
    }
}

/// A random set of pods, and what they are cut off from.
pub fn random_cut(pods: usize, cx: &mut Cx) {
    let until = cx.now + cx.rng.random_range(100_000..3_500_000);
    let group: u128 = (0..pods).filter(|_| cx.rng.random_bool(0.4)).fold(0, |set, pod| set | Node::Pod(pod).bit());
    let everybody = u128::MAX;
    let (from, to) = match cx.rng.random_range(0..5) {
        0 => (group, Node::Store.bit()),
        1 => (group, everybody & !group),
        2 => (group, Node::Operator.bit()),
        3 => (group, everybody << 32),
        _ => {
            let other = cx.rng.random_range(0..pods);
            (Node::Pod(other).bit(), Node::Pod(cx.rng.random_range(0..pods)).bit())
        }
    };
    match cx.rng.random_range(0..3) {
        0 => cx.cut(from, to, until),
        1 => cx.cut(to, from, until),
        _ => {
            cx.cut(from, to, until);
            cx.cut(to, from, until);
        }
    }
}
