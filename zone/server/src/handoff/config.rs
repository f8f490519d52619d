//! What a machine is told once.

/// The rules of the handoff, and three ways to break one.
///
/// The broken ones exist so that the simulator can show that its checks bite: each must be caught
/// (`darkages sim --variant …`). A server always runs [`Variant::Sound`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Variant {
    /// All rules.
    #[default]
    Sound,
    /// Goes on acting when its lease may be over.
    NoFencing,
    /// Stops and releases as soon as the client is attached, while the commit is still on its way.
    ReleaseBeforeCommit,
    /// Forgets that it has released: when the taker is silent it acts again and releases a second time.
    DoubleRelease,
}

impl Variant {
    /// All variants.
    pub const ALL: [Self; 4] = [Self::Sound, Self::NoFencing, Self::ReleaseBeforeCommit, Self::DoubleRelease];

    /// Its name on the command line.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::NoFencing => "no-fencing",
            Self::ReleaseBeforeCommit => "release-before-commit",
            Self::DoubleRelease => "double-release",
        }
    }
}

/// What a machine is told once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Players that this zone acts for or expects, at most. Those whom the record gives to it come in beyond it, because
    /// nobody else can act for them.
    pub capacity: usize,
    /// Whether there is an operator to ask when the store does not answer.
    pub has_operator: bool,
    /// The rules.
    pub variant: Variant,
}
