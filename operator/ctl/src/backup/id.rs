//! The name of a backup: when it was begun, and digits that tell apart what was begun at the same time elsewhere.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How the time is written in a name, so that names sort by time.
const TIME: &str = "%Y%m%dT%H%M%S%.3fZ";

/// Characters of the time in a name.
const TIME_LENGTH: usize = 20;

/// Name of a backup, which is also the name of its folder: `20261124T205400.250Z-5f3a9c01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackupId {
    /// Milliseconds since the Unix epoch.
    millis: i64,
    digits: u32,
}

/// Why a text is no name of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a backup's name looks like 20261124T205400.250Z-5f3a9c01")]
pub struct NotAnId;

impl BackupId {
    /// The name of a backup that is begun now, with these random digits.
    pub fn new(now: Timestamp, digits: u32) -> Self {
        Self { millis: now.as_millisecond(), digits }
    }

    /// The name of one that comes after `newest`, whatever the clock says: the order of names is the order in which
    /// backups were made, and rotation goes by it.
    pub fn after(self, newest: Option<Self>) -> Self {
        let least = newest.map_or(i64::MIN, |newest| newest.millis.saturating_add(1));
        Self { millis: self.millis.max(least), ..self }
    }

    /// When it was begun, in seconds since the Unix epoch.
    pub const fn begun_unix_s(self) -> i64 {
        self.millis.div_euclid(1_000)
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::from_millisecond(self.millis).map_err(|_| fmt::Error)?;
        write!(f, "{}-{:08x}", time.strftime(TIME), self.digits)
    }
}

impl FromStr for BackupId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let (time, digits) = text.split_at_checked(TIME_LENGTH).ok_or(NotAnId)?;
        let digits = digits.strip_prefix('-').ok_or(NotAnId)?;
        let time = jiff::civil::DateTime::strptime(TIME, time).map_err(|_| NotAnId)?;
        let time = time.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| NotAnId)?.timestamp();
        let id = Self { millis: time.as_millisecond(), digits: u32::from_str_radix(digits, 16).map_err(|_| NotAnId)? };
        // There is one way to write a name, so that a folder of another name is never taken for it.
        if id.to_string() == text { Ok(id) } else { Err(NotAnId) }
    }
}

impl Serialize for BackupId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BackupId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_sort_by_time() {
        let at = |millis| Timestamp::from_millisecond(millis).expect("a time");
        let id = BackupId::new(at(1_700_000_000_020), 0x5f3a_9c01);
        assert_eq!(id.to_string(), "20231114T221320.020Z-5f3a9c01");
        assert_eq!(id.to_string().parse(), Ok(id));
        let later = BackupId::new(at(1_700_000_000_021), 0);
        assert!(id < later && id.to_string() < later.to_string());
    }

    #[test]
    fn a_clock_that_stands_still_or_was_set_back_makes_later_names_all_the_same() {
        let at = |millis| BackupId::new(Timestamp::from_millisecond(millis).expect("a time"), 7);
        assert_eq!(at(5_000).after(None), at(5_000));
        assert_eq!(at(5_000).after(Some(at(5_000))), at(5_001));
        assert_eq!(at(5_000).after(Some(at(9_000))), at(9_001));
        assert_eq!(at(5_000).after(Some(at(4_000))), at(5_000));
    }

    #[test]
    fn other_names_are_none() {
        for name in [
            "",
            "..",
            "20231114T221320.020Z",
            "20231114T221320Z-5f3a9c01",
            "20231114T221320.02Z-5f3a9c01",
            "20231114T221320.020Z-5f3a9c0",
            "20231114T221320.020Z-5F3A9C01",
            "20231314T221320.020Z-5f3a9c01",
            "20231114T221320.020Z-5f3a9c01/..",
            "äöüäöüäö-5f3a9c01",
        ] {
            assert_eq!(name.parse::<BackupId>(), Err(NotAnId), "{name}");
        }
    }
}
