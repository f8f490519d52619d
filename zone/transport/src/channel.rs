//! The four ways to send a message, and their form inside laminar's `Packet`.

use std::net::SocketAddr;

use laminar::{DeliveryGuarantee, OrderingGuarantee, Packet};

/// How a message is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Delivered exactly once, in the order of sending among messages of this channel.
    ReliableOrdered,
    /// Delivered exactly once, as soon as it arrives.
    ReliableUnordered,
    /// Delivered at most once; a message older than one already delivered is dropped.
    UnreliableSequenced,
    /// Delivered at most once, in any order.
    Unreliable,
}

impl Channel {
    /// Every channel.
    pub const ALL: [Self; 4] =
        [Self::ReliableOrdered, Self::ReliableUnordered, Self::UnreliableSequenced, Self::Unreliable];

    /// Whether messages of this channel are sent again until they are acknowledged.
    pub const fn is_reliable(self) -> bool {
        matches!(self, Self::ReliableOrdered | Self::ReliableUnordered)
    }

    /// A stable name for metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::ReliableOrdered => "reliable_ordered",
            Self::ReliableUnordered => "reliable_unordered",
            Self::UnreliableSequenced => "unreliable_sequenced",
            Self::Unreliable => "unreliable",
        }
    }

    pub(crate) fn packet(self, address: SocketAddr, payload: Vec<u8>) -> Packet {
        match self {
            Self::ReliableOrdered => Packet::reliable_ordered(address, payload, None),
            Self::ReliableUnordered => Packet::reliable_unordered(address, payload),
            Self::UnreliableSequenced => Packet::unreliable_sequenced(address, payload, None),
            Self::Unreliable => Packet::unreliable(address, payload),
        }
    }

    pub(crate) fn of(packet: &Packet) -> Self {
        match (packet.delivery_guarantee(), packet.order_guarantee()) {
            (DeliveryGuarantee::Reliable, OrderingGuarantee::None) => Self::ReliableUnordered,
            (DeliveryGuarantee::Reliable, _) => Self::ReliableOrdered,
            (DeliveryGuarantee::Unreliable, OrderingGuarantee::None) => Self::Unreliable,
            (DeliveryGuarantee::Unreliable, _) => Self::UnreliableSequenced,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_remembers_its_channel() {
        let address = "[100::1]:1".parse().unwrap();
        for channel in Channel::ALL {
            assert_eq!(Channel::of(&channel.packet(address, vec![1])), channel);
        }
    }
}
