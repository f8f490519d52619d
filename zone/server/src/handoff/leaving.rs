//! A player who has left the world; the final state is on its way to the record.

use darkages_store::{OwnerRecord, Phase, PlayerData, Swapped};
use darkages_topology::{OwnerEpoch, PlayerId};

use super::action::Action;
use super::core::{Core, Io, Slot, Then, at};
use super::entry::Role;
use super::incoming::Incoming;
use super::limits::CALL_BACKOFF;

/// A player who has left. The record stays closed with this shard; the next join claims it.
pub(super) struct Leaving {
    /// Under which owner epoch this zone acted.
    pub epoch: OwnerEpoch,
    pub slot: Slot,
    data: PlayerData,
}

impl Leaving {
    pub fn new(epoch: OwnerEpoch, data: PlayerData) -> Self {
        Self { epoch, slot: Slot::default(), data }
    }

    /// Saves durably. It is a claim for the own shard, because a swap that changes nothing but data could not be told from
    /// one that was made twice.
    pub fn save(&mut self, player: PlayerId, core: &mut Core, io: &mut Io<'_>) {
        let next =
            OwnerRecord { owner: core.me.shard, owner_epoch: self.epoch.next(), open: None, data: self.data.clone() };
        self.slot.swap(player, at(self.epoch, Phase::Closed), next, core, io);
    }

    pub fn tick(&mut self, player: PlayerId, core: &mut Core, io: &mut Io<'_>) -> Then<Role> {
        self.slot.expire(io.tick());
        if self.slot.is_free(io.tick()) && core.standing.may_write(io.now.elapsed) {
            self.save(player, core, io);
        }
        Then::Stay
    }

    pub fn swapped(
        &mut self,
        player: PlayerId,
        client: bool,
        swapped: &Swapped,
        core: &mut Core,
        io: &mut Io<'_>,
    ) -> Then<Role> {
        if *swapped == Swapped::Done {
            return self.seen(player, client, core, io);
        }
        core.refused(swapped);
        self.slot.wait(io.tick(), CALL_BACKOFF);
        Then::Stay
    }

    /// The record has moved: by this save, whose first answer was lost, or by somebody who has taken the player since.
    pub fn seen(&mut self, player: PlayerId, client: bool, core: &mut Core, io: &mut Io<'_>) -> Then<Role> {
        core.acted(player, self.epoch, io.tick());
        io.push(Action::Gone { player });
        if client { Then::Become(Role::Incoming(Incoming::joining(io.tick()))) } else { Then::Forget }
    }
}
