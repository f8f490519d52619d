//! Sealed, reliable datagrams between clients and zones.
