//! `darkages bench store` and `darkages store show` as people use them: the built command on real servers.

mod bench;
mod run;
mod show;
