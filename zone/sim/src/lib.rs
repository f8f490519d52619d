//! The deterministic world: state and inputs to state and events.
