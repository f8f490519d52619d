//! Finding the primary: it is named in the URL, sentinels know it, or the cluster's map of slots does.

use redis::{Value, cmd};

use super::answer;
use super::link::Target;
use super::trouble::Trouble;
use crate::url::{Deployment, Node};

/// Servers that are remembered to be asked, at most.
const MAX_KNOWN: usize = 64;

/// Who is asked for the primary, the one that answered last first.
pub(super) struct Locator {
    known: Vec<Node>,
}

impl Locator {
    pub fn new(deployment: &Deployment) -> Self {
        let known = match deployment {
            Deployment::Single(node) => vec![node.clone()],
            Deployment::Sentinel { nodes, .. } | Deployment::Cluster(nodes) => nodes.clone(),
        };
        Self { known }
    }

    /// Lets somebody else be asked first next time.
    pub fn ask_another_first(&mut self) {
        if !self.known.is_empty() {
            self.known.rotate_left(1);
        }
    }

    /// The address of the world's primary.
    pub async fn primary(&mut self, target: &Target) -> Result<Node, Trouble> {
        let mut last = None;
        // Each is asked once; who does not answer goes to the end, so that the next attempt starts with another.
        for _ in 0..self.known.len() {
            let asked = self.known[0].clone();
            let found = match &target.url.deployment {
                Deployment::Single(node) => return Ok(node.clone()),
                Deployment::Sentinel { master, .. } => ask_sentinel(target, &asked, master).await,
                Deployment::Cluster(_) => self.ask_cluster(target, &asked).await,
            };
            match found {
                Ok(node) => return Ok(node),
                Err(trouble) => last = Some(trouble),
            }
            self.ask_another_first();
        }
        Err(last.unwrap_or(Trouble::Cluster { detail: "no server is known".to_owned() }))
    }

    async fn ask_cluster(&mut self, target: &Target, asked: &Node) -> Result<Node, Trouble> {
        let mut connection = target.dial(asked, true, 0).await?;
        let slot = target.ask(&mut connection, asked, cmd("CLUSTER").arg("KEYSLOT").arg(&*target.base)).await?;
        let slot = answer::int(&slot)?;
        let ranges = answer::list(target.ask(&mut connection, asked, cmd("CLUSTER").arg("SLOTS")).await?)?;
        let mut primary = None;
        for range in ranges {
            let mut range = answer::list(range)?.into_iter();
            let first = answer::int(&answer::next(&mut range)?)?;
            let last = answer::int(&answer::next(&mut range)?)?;
            for (place, node) in range.enumerate() {
                let Some(node) = node_of(node, asked)? else { continue };
                if place == 0 && (first..=last).contains(&slot) {
                    primary = Some(node.clone());
                }
                if !self.known.contains(&node) && self.known.len() < MAX_KNOWN {
                    self.known.push(node);
                }
            }
        }
        primary.ok_or_else(|| Trouble::Cluster { detail: format!("slot {slot} has no primary") })
    }
}

/// A server in the cluster's map: address, port, then what we do not read. One without an address is the one that was asked.
fn node_of(value: Value, asked: &Node) -> Result<Option<Node>, Trouble> {
    let mut parts = answer::list(value)?.into_iter();
    let host = answer::maybe_bytes(answer::next(&mut parts)?)?.unwrap_or_default();
    let port: u16 = answer::number(answer::next(&mut parts)?)?;
    let host = String::from_utf8_lossy(&host).into_owned();
    let host = match host.as_str() {
        "" => asked.host.clone(),
        "?" => return Ok(None),
        _ => host,
    };
    Ok(Some(Node { host, port }))
}

async fn ask_sentinel(target: &Target, asked: &Node, master: &str) -> Result<Node, Trouble> {
    let mut connection = match target.dial(asked, true, 0).await {
        // Sentinels often have no password although their servers have.
        Err(Trouble::Password { .. } | Trouble::Refused { .. }) => target.dial(asked, false, 0).await?,
        dialled => dialled?,
    };
    let question = cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(master).to_owned();
    match target.ask(&mut connection, asked, &question).await? {
        Value::Nil => Err(Trouble::Master { master: master.to_owned() }),
        found => {
            let mut parts = answer::list(found)?.into_iter();
            let host = answer::text(answer::next(&mut parts)?)?;
            Ok(Node { host, port: answer::number(answer::next(&mut parts)?)? })
        }
    }
}
