//! Durations as people write them: `7d`, `12h`, `90s`.

use std::time::Duration;

/// Parses a duration such as `7d`, `12h`, `30m`, `90s` or `90` (seconds).
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let error = || format!("{text}: not a time; write it like 7d, 12h, 30m or 90s");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        "w" => 7 * 24 * 3600,
        _ => return Err(error()),
    };
    let number: u64 = number.parse().map_err(|_| error())?;
    // A thousand years are enough for everyone, and can be added to any clock.
    let seconds = number.checked_mul(seconds).filter(|&seconds| seconds <= 1000 * 366 * 24 * 3600).ok_or_else(error)?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn times_are_read() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("2m", 120), ("12h", 43_200), ("7d", 604_800), ("1w", 604_800)]
        {
            assert_eq!(parse(text).unwrap().as_secs(), seconds, "{text}");
        }
        for text in ["", "d", "1.5d", "-1s", "7 d", "1y", "99999999999999w"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
