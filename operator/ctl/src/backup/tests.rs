//! Backups of real worlds, in memory and on disk: what is made can be verified, restored and compared, and whatever is not
//! as it was written is refused.

mod chains;
mod damage;
mod formats;
mod interrupted;
mod moments;
mod scene;
mod worlds;
