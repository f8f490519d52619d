//! What happens to datagrams on purpose.

use std::time::Duration;

use crate::exit::BadInput;

/// Longest delay or jitter that makes a game: 5 s.
const MAX_DELAY_MS: u64 = 5_000;

/// Faults of every link, each way.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// Share of the datagrams that are lost, 0 to 1.
    pub loss: f64,
    /// Delay of each.
    pub delay: Duration,
    /// Further delay, random up to this.
    pub jitter: Duration,
}

impl Faults {
    /// Whether nothing happens to datagrams.
    pub fn none(&self) -> bool {
        *self == Self::default()
    }
}

/// The faults that the flags ask for.
///
/// # Errors
/// The flag that cannot be used, and the fix.
pub fn check(loss: &str, delay_ms: u64, jitter_ms: u64) -> Result<Faults, BadInput> {
    for (flag, value) in [("--delay-ms", delay_ms), ("--jitter-ms", jitter_ms)] {
        if value > MAX_DELAY_MS {
            return Err(BadInput::new(format!("{flag} is {value}: give 0 to {MAX_DELAY_MS} milliseconds")));
        }
    }
    let delay = Duration::from_millis(delay_ms);
    Ok(Faults { loss: share(loss)?, delay, jitter: Duration::from_millis(jitter_ms) })
}

/// A share below 1, or a percentage.
fn share(text: &str) -> Result<f64, BadInput> {
    let bad = || {
        BadInput::new(format!("--loss is {text:?}: give a share such as 0.02 or a percentage such as 2%, at most 100%"))
    };
    let (number, percent) = match text.trim().strip_suffix('%') {
        Some(number) => (number.trim_end(), true),
        None => (text.trim(), false),
    };
    let number: f64 = number.parse().map_err(|_| bad())?;
    let share = if percent || number >= 1.0 { number / 100.0 } else { number };
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_percentages_mean_the_same() {
        for text in ["0.02", "2", "2%", " 2 % "] {
            assert_eq!(share(text).ok(), Some(0.02), "{text}");
        }
        assert_eq!(share("0.5%").ok(), Some(0.005));
        assert_eq!(share("100").ok(), Some(1.0));
        assert_eq!(share("0").ok(), Some(0.0));
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for text in ["", "-1", "101", "NaN", "inf", "lots", "-0.1%", "100.5%"] {
            let complaint = share(text).expect_err("it must be refused").to_string();
            assert!(complaint.starts_with("--loss is"), "{complaint}");
        }
    }
}
