//! A proxy before a node that goes away at a chosen statement, as a process that is killed at that moment would.
//!
//! It reads the frames of the protocol, and counts those that execute a statement once it is armed. The statement at which
//! it goes either never reaches the node, or is carried out and its answer lost; everything after it is lost both ways, and
//! nobody gets a new connection.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

/// Version, flags, stream (2), opcode, length (4).
const HEADER: usize = 9;
const EXECUTE: u8 = 0x0A;
const BATCH: u8 = 0x0D;

/// How long the node may take to answer the statement at which the proxy goes.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// What becomes of the statement at which the proxy goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It never reaches the node.
    Before,
    /// It is carried out, and its answer is lost.
    After,
}

struct State {
    node: SocketAddr,
    cut: Cut,
    /// Statements that still pass.
    left: AtomicI64,
    gone: AtomicBool,
    went: Notify,
}

/// A proxy; dropping it ends all its connections.
pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
    accepting: AbortHandle,
}

impl Proxy {
    /// A proxy at the node's own address, so that the driver takes it for the node. It lets everything pass until armed.
    pub async fn start(address: Ipv4Addr, node_port: u16, cut: Cut) -> Self {
        let listener = TcpListener::bind((address, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let state = Arc::new(State {
            node: SocketAddr::from((address, node_port)),
            cut,
            left: AtomicI64::new(i64::MAX),
            gone: AtomicBool::new(false),
            went: Notify::new(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&state))).abort_handle();
        Self { port, state, accepting }
    }

    /// Lets `statements` more pass.
    pub fn arm(&self, statements: i64) {
        self.state.left.store(statements, Ordering::SeqCst);
    }

    /// Whether it has gone away.
    pub fn is_gone(&self) -> bool {
        self.state.gone.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    // Aborting this task drops the set, which ends the connections.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        if !state.gone.load(Ordering::SeqCst) {
            connections.spawn(connect(client, Arc::clone(&state)));
        }
    }
}

async fn connect(client: TcpStream, state: Arc<State>) {
    let Ok(node) = TcpStream::connect(state.node).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_node, to_node) = node.into_split();
    // The stream whose answer is the last thing that counts on this connection; none yet.
    let last = Arc::new(AtomicU32::new(u32::MAX));
    let answered = Arc::new(Notify::new());
    let answers = answers(from_node, to_client, Arc::clone(&state), Arc::clone(&last), Arc::clone(&answered));
    let requests = requests(from_client, to_node, &state, &last, &answered);
    tokio::select! {
        () = answers => {}
        () = requests => {}
        // Every other connection ends as well when the proxy goes.
        () = async { state.went.notified().await } => {}
    }
}

async fn frame(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut bytes = vec![0; HEADER];
    from.read_exact(&mut bytes).await.ok()?;
    let length = u32::from_be_bytes([bytes[5], bytes[6], bytes[7], bytes[8]]) as usize;
    bytes.resize(HEADER + length, 0);
    from.read_exact(&mut bytes[HEADER..]).await.ok()?;
    Some(bytes)
}

fn stream_of(frame: &[u8]) -> u32 {
    u32::from(u16::from_be_bytes([frame[2], frame[3]]))
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: &State, last: &AtomicU32, answered: &Notify) {
    while let Some(frame) = frame(&mut from).await {
        if state.gone.load(Ordering::SeqCst) {
            return;
        }
        let is_statement = matches!(frame[4], EXECUTE | BATCH);
        if is_statement && state.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            state.gone.store(true, Ordering::SeqCst);
            if state.cut == Cut::After {
                last.store(stream_of(&frame), Ordering::SeqCst);
                let sent = to.write_all(&frame).await;
                sent.expect("the node runs");
                let answered = tokio::time::timeout(ANSWER_DEADLINE, answered.notified()).await;
                answered.expect("the node answers");
            }
            state.went.notify_waiters();
            return;
        }
        if to.write_all(&frame).await.is_err() {
            return;
        }
    }
}

async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: Arc<State>,
    last: Arc<AtomicU32>,
    answered: Arc<Notify>,
) {
    while let Some(frame) = frame(&mut from).await {
        if state.gone.load(Ordering::SeqCst) {
            if stream_of(&frame) == last.load(Ordering::SeqCst) {
                answered.notify_one();
            }
        } else if to.write_all(&frame).await.is_err() {
            return;
        }
    }
}
