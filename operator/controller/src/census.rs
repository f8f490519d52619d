//! How many players each world has, for whoever scales by it: statuses flow in, a number flows out, or why there is none.
//!
//! Statuses are watched by every operator, so each of them answers, whichever acts. A number that nobody keeps up to date is
//! unknown, and never 0: a world that were scaled down by it would lose its zones while people play.

use std::sync::Arc;

use darkages_crds::ZoneServer;
use kube::runtime::reflector::ObjectRef;

use crate::fleet::Fleet;
use crate::leader::Witness;

/// Counts the players of every world.
#[derive(Clone, Debug)]
pub struct Census {
    fleet: Arc<Fleet>,
    witness: Witness,
}

/// Why a world's players are not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// There is no such world.
    #[error("there is no ZoneServer {name} in namespace {namespace}")]
    NoZoneServer {
        /// Where it was looked for.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A zone has not said how many it has.
    #[error("the players of ZoneServer {namespace}/{name} are not known: a zone does not say how many it has")]
    NotCounted {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// No operator acts, so the number is an old one.
    #[error("the players of ZoneServer {namespace}/{name} are not known: no operator acts")]
    NobodyCounts {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl Census {
    /// Counts by what is seen of the cluster, while `witness` sees that somebody acts.
    #[must_use]
    pub const fn new(fleet: Arc<Fleet>, witness: Witness) -> Self {
        Self { fleet, witness }
    }

    /// The players of a world.
    ///
    /// # Errors
    /// Why they are not known.
    pub fn players(&self, namespace: &str, name: &str) -> Result<u32, Unknown> {
        let found = self.fleet.zone_server(&ObjectRef::<ZoneServer>::new(name).within(namespace));
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        let Some(found) = found else { return Err(Unknown::NoZoneServer { namespace, name }) };
        if !self.witness.anybody_acts() {
            return Err(Unknown::NobodyCounts { namespace, name });
        }
        let players = found.status.as_ref().and_then(|status| status.players);
        players.ok_or(Unknown::NotCounted { namespace, name })
    }
}
