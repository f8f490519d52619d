//! The directory: clients ask it where to play.
