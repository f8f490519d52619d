//! A shard map with the pods that serve it, cheap to ask.

use std::net::{Ipv4Addr, SocketAddr};

use darkages_topology::{Position, Rect, ShardId, Topology, ZoneEndpoint, ZoneId};

/// A map as pods and clients know it.
#[derive(Debug)]
pub struct Map {
    pub topology: Topology,
    pods: Vec<(ShardId, usize)>,
}

impl Map {
    pub fn new(topology: Topology) -> Self {
        let active = topology.shards().iter().filter_map(|shard| Some((shard.id, shard.zone.as_ref()?)));
        let retiring = topology.retiring().iter().map(|retiring| (retiring.id, &retiring.zone));
        let pods = active.chain(retiring).map(|(shard, at)| (shard, usize::from(at.address.port()))).collect();
        Self { topology, pods }
    }

    pub fn owner_of(&self, position: Position) -> Option<ShardId> {
        self.topology.owner_of(position).map(|shard| shard.id)
    }

    pub fn exists(&self, shard: ShardId) -> bool {
        self.topology.shard(shard).is_some() || self.topology.is_retiring(shard)
    }

    pub fn ground(&self, shard: ShardId) -> Option<&Rect> {
        self.topology.shard(shard).map(|shard| &shard.bounds)
    }

    /// The pod that serves a shard.
    pub fn pod(&self, shard: ShardId) -> Option<usize> {
        self.pods.iter().find(|(id, _)| *id == shard).map(|&(_, pod)| pod)
    }

    /// The shard that a pod serves.
    pub fn shard_of(&self, pod: usize) -> Option<ShardId> {
        self.pods.iter().find(|&&(_, at)| at == pod).map(|&(shard, _)| shard)
    }

    pub fn pods(&self) -> impl Iterator<Item = (ShardId, usize)> + '_ {
        self.pods.iter().copied()
    }
}

/// The endpoint of a pod of the model: its number is its port.
pub fn endpoint(pod: usize) -> ZoneEndpoint {
    let port = u16::try_from(pod).expect("there are a dozen pods");
    ZoneEndpoint {
        zone: ZoneId(format!("pod-{pod}")),
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        public_key: [0; 32],
    }
}
