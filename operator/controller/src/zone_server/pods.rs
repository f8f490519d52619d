//! Which pods are to be made and which to go: the warm pool, beside the pods that serve a shard. Pure.
//!
//! A pod that the map names is never deleted here while it may have players: whoever wants it gone lets its shard move first,
//! and then it is one without a shard like any other.

use std::collections::BTreeSet;

use super::pod::ZonePod;

/// Pods that are made at once, at most. The next look makes more.
pub const MAX_MADE_AT_ONCE: usize = 16;

/// Pods of one `ZoneServer`, at most: two for each shard of the largest map.
pub const MAX_PODS: usize = 2 * darkages_topology::map::MAX_SHARDS;

/// The pods of a `ZoneServer`, and what is known of them.
#[derive(Clone, Copy, Debug)]
pub struct Pool<'a> {
    /// All of them.
    pub pods: &'a [ZonePod],
    /// Names of those that the map names.
    pub serving: &'a BTreeSet<String>,
    /// Names of those that run and do not answer.
    pub lost: &'a BTreeSet<String>,
    /// What pods are made from now.
    pub hash: &'a str,
    /// Nodes that take no more pods.
    pub cordoned: &'a BTreeSet<String>,
    /// Pods without a shard that there should be.
    pub wanted: usize,
}

/// What to do about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// How many to make.
    pub make: usize,
    /// Names of those that are of no use any more.
    pub delete: Vec<String>,
    /// Names of those that are good and too many, if it stays that way.
    pub surplus: Vec<String>,
}

impl Pool<'_> {
    /// What to do.
    #[must_use]
    pub fn plan(&self) -> Change {
        let free = || self.pods.iter().filter(|pod| !pod.leaving && !pod.ended && !self.serving.contains(&pod.name));
        let is_good =
            |pod: &&ZonePod| pod.hash == self.hash && !self.is_cordoned(pod) && !self.lost.contains(&pod.name);
        let mut good: Vec<_> = free().filter(is_good).collect();
        // Whatever is wrong with new pods, old ones can take a shard until there are enough that run.
        let replaced = good.iter().filter(|pod| pod.running.is_some()).count() >= self.wanted;
        let is_spent = |pod: &&ZonePod| self.is_cordoned(pod) || (replaced && pod.hash != self.hash);
        let ended = self.pods.iter().filter(|pod| !pod.leaving && pod.ended);
        let delete = ended.chain(free().filter(is_spent)).map(|pod| pod.name.clone()).collect();
        // Of too many, those go that do not even run, then the youngest.
        good.sort_by_key(|pod| (pod.running.is_none(), pod.created, &pod.name));
        let surplus = good.iter().skip(self.wanted).map(|pod| pod.name.clone()).collect();
        let room = MAX_PODS.saturating_sub(self.pods.len());
        let make = self.wanted.saturating_sub(good.len()).min(room).min(MAX_MADE_AT_ONCE);
        Change { make, delete, surplus }
    }

    /// Whether its node takes no more pods, because it is going to be drained.
    fn is_cordoned(&self, pod: &ZonePod) -> bool {
        pod.node.as_ref().is_some_and(|node| self.cordoned.contains(node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str) -> ZonePod {
        ZonePod {
            name: name.into(),
            created: None,
            hash: "new".into(),
            node: Some("one".into()),
            port: None,
            leaving: false,
            ended: false,
            running: Some(([10, 0, 0, 1].into(), name.into())),
            trouble: None,
        }
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn plan(pods: &[ZonePod], serving: &[&str], lost: &[&str], wanted: usize) -> Change {
        let (serving, lost, cordoned) = (names(serving), names(lost), names(&["two"]));
        Pool { pods, serving: &serving, lost: &lost, hash: "new", cordoned: &cordoned, wanted }.plan()
    }

    #[test]
    fn pods_are_made_until_enough_wait() {
        assert_eq!(plan(&[], &[], &[], 3).make, 3);
        let pods = [pod("a"), pod("b")];
        assert_eq!(plan(&pods, &["a"], &[], 1), Change::default());
        assert_eq!(plan(&pods, &["a", "b"], &[], 1).make, 1);
        assert_eq!(plan(&pods, &["a"], &["b"], 1).make, 1, "one that does not answer is no help");
        assert_eq!(plan(&[], &[], &[], 1_000).make, MAX_MADE_AT_ONCE);
    }

    #[test]
    fn a_pod_that_serves_is_left_until_its_shard_has_moved() {
        let old = ZonePod { hash: "old".into(), ..pod("old") };
        let cordoned = ZonePod { node: Some("two".into()), ..pod("cordoned") };
        let pods = [old, cordoned, pod("new")];
        assert_eq!(plan(&pods, &["old", "cordoned"], &[], 1), Change::default());
        let freed = plan(&pods, &[], &[], 1);
        assert_eq!((freed.make, freed.delete), (0, vec!["old".to_owned(), "cordoned".to_owned()]));
    }

    #[test]
    fn an_old_pod_waits_until_new_ones_run() {
        let pods = [ZonePod { hash: "old".into(), ..pod("old") }, ZonePod { running: None, ..pod("stuck") }];
        assert_eq!(plan(&pods, &[], &[], 1), Change::default());
    }

    #[test]
    fn pods_that_have_ended_are_removed_whatever_the_map_says() {
        let ended = ZonePod { ended: true, ..pod("ended") };
        assert_eq!(plan(std::slice::from_ref(&ended), &["ended"], &[], 0).delete, ["ended"]);
        let leaving = ZonePod { leaving: true, ..ended };
        assert_eq!(plan(&[leaving], &[], &[], 0), Change::default(), "it goes already");
    }

    #[test]
    fn of_too_many_the_one_that_does_not_run_goes_first() {
        let stuck = ZonePod { running: None, ..pod("a-stuck") };
        assert_eq!(plan(&[stuck, pod("b")], &[], &[], 1).surplus, ["a-stuck"]);
    }
}
