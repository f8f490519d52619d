//! From a simulated tick to what each client is shown of it.

pub mod grid;
pub mod scene;
pub mod view;
