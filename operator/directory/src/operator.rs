//! What the acting operator sees of the world, asked for a few times a second: where everybody stands.
//!
//! Players are sent by the status and by none of this ([`crate::view::WorldView::with`]); so an operator that is away, or
//! somebody who speaks in its place, changes the map that people look at and nothing else.

use std::sync::Arc;
use std::time::Duration;

use darkages_crds::picture::{self, MAX_PICTURE_BYTES, WorldPicture};
use tokio::sync::watch;

/// Time between two questions.
const ASK_EVERY: Duration = Duration::from_millis(200);

/// The same while there is no answer.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How long an operator may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// Operators that send us on to another one, at most: the first knows who acts.
const MAX_REDIRECTS: u32 = 2;

/// Asks until nobody wants to know any more. `None` is published while there is no answer.
pub async fn follow(url: &str, namespace: &str, name: &str, publish: watch::Sender<Option<Arc<WorldPicture>>>) {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(ANSWERS_WITHIN)).max_redirects(MAX_REDIRECTS).build().into();
    let url = format!("{}{}", url.trim_end_matches('/'), picture::path(namespace, name));
    let mut complained = false;
    loop {
        let (agent, asked) = (agent.clone(), url.clone());
        let answer = tokio::task::spawn_blocking(move || ask(&agent, &asked)).await;
        let wait = match answer {
            Ok(Ok(seen)) => {
                complained = false;
                publish.send_replace(Some(Arc::new(seen)));
                ASK_EVERY
            }
            Ok(Err(error)) => {
                if !std::mem::replace(&mut complained, true) {
                    tracing::warn!(%error, url, "the operator does not say where players stand");
                }
                publish.send_replace(None);
                ASK_AGAIN_AFTER
            }
            // The runtime ends.
            Err(_) => return,
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = publish.closed() => return,
        }
    }
}

fn ask(agent: &ureq::Agent, url: &str) -> Result<WorldPicture, AskError> {
    let mut answer = agent.get(url).call()?;
    let limit = u64::try_from(MAX_PICTURE_BYTES).unwrap_or(u64::MAX);
    let bytes = answer.body_mut().with_config().limit(limit).read_to_vec()?;
    Ok(serde_json::from_slice(&bytes)?)
}

#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error(transparent)]
    Http(#[from] ureq::Error),
    #[error("it answers with something else: {0}")]
    Json(#[from] serde_json::Error),
}
