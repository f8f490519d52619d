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
        let chunked = chunks(checkpoints, size);
        let mut requests = Vec::with_capacity(chunked.len());
        for chunk in &chunked {
            let mut arguments = fence_arguments(fence);
            arguments.push(fence_bytes(fence));
            for checkpoint in *chunk {
                arguments.push(keys::player(checkpoint.player).into_bytes());
                arguments.push(expected_record(fence, checkpoint));
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
        let asked: Vec<usize> = chunked.iter().map(|chunk| chunk.len()).collect();
        let answers = self.quick.call(action, requests).await?;
        let mut saved = Vec::with_capacity(checkpoints.len());
        for (chunk, answer) in answers.into_iter().enumerate() {
            match read_saved(answer, asked.get(chunk).copied().unwrap_or_default(), &mut saved) {
                Ok(true) => {}
                Ok(false) if chunk == 0 => return Err(StoreError::Fenced { fence }),
                Ok(false) => return Err(unavailable(action, Trouble::EndedMeanwhile)),
                Err(trouble) => return Err(unavailable(action, trouble)),
            }
        }
        Ok(saved)
    }
}

/// The bytes of the record that a checkpoint makes when the owner is the writer's shard and no handoff is open, which is nearly
/// always.
fn expected_record(fence: Fence, checkpoint: &Checkpoint) -> Vec<u8> {
    let Checkpoint { player: _, owner_epoch, data } = checkpoint;
    codec::encode_closed(fence.shard, *owner_epoch, data)
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

/// Adds the answers of one script to so many checkpoints; says whether the incarnation was live.
fn read_saved(answer: Value, asked: usize, answers: &mut Vec<Saved>) -> Result<bool, Trouble> {
    let mut parts = list(answer)?.into_iter();
    if int(&next(&mut parts)?)? != 1 {
        return Ok(false);
    }
    match parts.len() {
        // Nothing but good news.
        0 => answers.resize(answers.len() + asked, Saved::Done),
        told if told == asked => {
            for part in parts {
                answers.push(saved(&part)?);
            }
        }
        told => return Err(Trouble::Odd { what: format!("{told} answers to {asked} checkpoints") }),
    }
    Ok(true)
}
