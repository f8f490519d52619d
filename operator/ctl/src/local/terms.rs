//! What `--kill` and `--freeze` say: `zone:KEY=VALUE,KEY=VALUE`. Pure.

use std::time::Duration;

use crate::exit::BadInput;

/// The terms of one flag.
pub struct Terms<'a> {
    flag: &'static str,
    text: &'a str,
    pairs: Vec<(&'a str, &'a str)>,
}

impl<'a> Terms<'a> {
    /// Reads the terms. `like` shows how they may look.
    ///
    /// # Errors
    /// When there are others than these keys, or one twice.
    pub fn read(
        flag: &'static str,
        text: &'a str,
        keys: &'static [&'static str],
        like: &'static str,
    ) -> Result<Self, BadInput> {
        let bad = || BadInput::new(format!("{flag} is {text:?}: give {like}"));
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for pair in text.strip_prefix("zone:").ok_or_else(bad)?.split(',') {
            let (key, value) = pair.split_once('=').ok_or_else(bad)?;
            if !keys.contains(&key) || pairs.iter().any(|(other, _)| *other == key) {
                return Err(bad());
            }
            pairs.push((key, value));
        }
        Ok(Self { flag, text, pairs })
    }

    /// The value of this key, if it is there.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.pairs.iter().find(|(other, _)| *other == key).map(|(_, value)| *value)
    }

    /// The time of this key, in seconds (`s`) or milliseconds (`ms`).
    ///
    /// # Errors
    /// When it is missing, no time, or not from `least` to `most`.
    pub fn time(&self, key: &str, least: Duration, most: Duration) -> Result<Duration, BadInput> {
        let time = self.get(key).and_then(|value| {
            let ms = value.strip_suffix("ms").map(|ms| ms.parse().map(Duration::from_millis));
            ms.or_else(|| value.strip_suffix('s').map(|s| s.parse().map(Duration::from_secs)))?.ok()
        });
        time.filter(|time| (least..=most).contains(time))
            .ok_or_else(|| self.bad(format_args!("give {key}={least:?} to {key}={most:?}")))
    }

    /// What is wrong, and the fix.
    pub fn bad(&self, fix: impl std::fmt::Display) -> BadInput {
        BadInput::new(format!("{} is {:?}: {fix}", self.flag, self.text))
    }
}
