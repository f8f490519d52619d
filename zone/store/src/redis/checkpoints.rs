//! Checkpoints. They come by the hundred many times a second, so the script judges them itself, in one round trip.

use redis::Value;

use super::answer::{int, list, next};
use super::lane::unavailable;
use super::owners::{chunks, fence_arguments};
use super::scripts::{Request, Script};
use super::trouble::Trouble;
use super::{RedisStore, keys};
use crate::codec;
use crate::error::StoreError;
use crate::journal::{Checkpoint, Saved};
use crate::lease::Fence;

impl RedisStore {
    pub(super) async fn save_owners(&self, fence: Fence, checkpoints: &[Checkpoint]) -> Result<Vec<Saved>, StoreError> {
        let size = |checkpoint: &Checkpoint| checkpoint.data.state.len();
        let mut requests = Vec::new();
        for chunk in chunks(checkpoints, size) {
            let mut arguments = fence_arguments(fence);
            arguments.push(fence_bytes(fence));
            for checkpoint in chunk {
                write_checkpoint(checkpoint, codec::encode_data(&checkpoint.data), &mut arguments);
            }
            requests.push(Request::Script(Script::Save, arguments));
        }
        let action = "saving checkpoints";
        if requests.is_empty() {
            // Nothing to save, but an incarnation that is over must hear it.
            let mut arguments = fence_arguments(fence);
            arguments.push(fence_bytes(fence));
            requests.push(Request::Script(Script::Save, arguments));
        }
        let answers = self.quick.call(action, requests).await?;
        let mut saved = Vec::with_capacity(checkpoints.len());
        for (chunk, answer) in answers.into_iter().enumerate() {
            match read_saved(answer, &mut saved) {
                Ok(true) => {}
                Ok(false) if chunk == 0 => return Err(StoreError::Fenced { fence }),
                Ok(false) => return Err(unavailable(action, Trouble::EndedMeanwhile)),
                Err(trouble) => return Err(unavailable(action, trouble)),
            }
        }
        Ok(saved)
    }
}

/// A fence as it stands in an owner record.
pub(super) fn fence_bytes(fence: Fence) -> Vec<u8> {
    let Fence { shard, epoch } = fence;
    [shard.0.to_le_bytes().as_slice(), &epoch.0.to_le_bytes()].concat()
}

/// A checkpoint as the scripts take it, with the data that is to be written.
pub(super) fn write_checkpoint(checkpoint: &Checkpoint, data: Vec<u8>, arguments: &mut Vec<Vec<u8>>) {
    let Checkpoint { player, owner_epoch, data: judged } = checkpoint;
    arguments.push(keys::player(*player).into_bytes());
    arguments.push(owner_epoch.0.to_le_bytes().to_vec());
    arguments.push(judged.version.0.to_le_bytes().to_vec());
    arguments.push(data);
}

/// What a script says to one checkpoint.
pub(super) fn saved(value: &Value) -> Result<Saved, Trouble> {
    match int(value)? {
        0 => Ok(Saved::Done),
        1 => Ok(Saved::Absent),
        2 => Ok(Saved::NotOwner),
        3 => Ok(Saved::OtherVersion),
        other => Err(Trouble::Odd { what: format!("{other} to a checkpoint") }),
    }
}

/// Adds the answers of one script; says whether the incarnation was live.
fn read_saved(answer: Value, answers: &mut Vec<Saved>) -> Result<bool, Trouble> {
    let mut parts = list(answer)?.into_iter();
    let live = int(&next(&mut parts)?)? == 1;
    for part in parts {
        answers.push(saved(&part)?);
    }
    Ok(live)
}
