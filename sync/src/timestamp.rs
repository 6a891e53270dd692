//! Points in time as statements have them, in the words of people.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

const DAY_SECONDS: u64 = 86_400;
/// The last second of the year 9999. Later times are shown as numbers.
const LAST_SHOWN: u64 = 253_402_300_799;

/// A point in time, in seconds since 1970 (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The time that this clock shows, or 1970 if it shows an earlier one.
    #[must_use]
    pub fn of(time: SystemTime) -> Self {
        Self(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs())
    }

    /// The time this much later.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time.as_secs()))
    }

    /// The time this much earlier.
    #[must_use]
    pub fn before(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(time.as_secs()))
    }
}

impl fmt::Display for Timestamp {
    /// Writes the time as `2027-01-31 16:05 UTC`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > LAST_SHOWN {
            return write!(f, "{} seconds after 1970", self.0);
        }
        let (days, seconds) = (self.0 / DAY_SECONDS, self.0 % DAY_SECONDS);
        let (year, month, day) = date_of(days);
        write!(f, "{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", seconds / 3600, seconds / 60 % 60)
    }
}

/// A text that is no date.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("write a date like 2027-01-31, or a time like 2027-01-31T16:05:00Z")]
pub struct NotADate;

impl FromStr for Timestamp {
    type Err = NotADate;

    /// Reads `2027-01-31`, which stands for the end of that day, or `2027-01-31T16:05:00Z`.
    fn from_str(text: &str) -> Result<Self, NotADate> {
        let (date, time) = match text.split_once(['T', ' ']) {
            Some((date, time)) => (date, Some(time.strip_suffix('Z').ok_or(NotADate)?)),
            None => (text, None),
        };
        let [year, month, day] = numbers(date, '-', [4, 2, 2]).ok_or(NotADate)?;
        let days = days_until(year, month, day).ok_or(NotADate)?;
        let seconds = match time.map(|time| numbers(time, ':', [2, 2, 2])) {
            None => DAY_SECONDS - 1,
            Some(Some([hour @ 0..24, minute @ 0..60, second @ 0..60])) => hour * 3600 + minute * 60 + second,
            Some(_) => return Err(NotADate),
        };
        Ok(Self(days * DAY_SECONDS + seconds))
    }
}

/// Three numbers of these many digits.
fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let mut found = [0; 3];
    let mut parts = text.split(separator);
    for (number, digits) in found.iter_mut().zip(digits) {
        let part = parts.next()?;
        let is_number = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = part.parse().ok().filter(|_| is_number)?;
    }
    parts.next().is_none().then_some(found)
}

/// Whether the Gregorian calendar has a 29th of February in this year.
fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The days from the first of January 1970 until the first of January of this year.
fn days_until_year(year: u64) -> u64 {
    let leap_years = |year: u64| year / 4 - year / 100 + year / 400;
    (year - 1970) * 365 + leap_years(year - 1) - leap_years(1969)
}

/// The days from the first of January 1970 until this one, if there is such a day.
fn days_until(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let months: u64 = (1..month).map(|month| days_in(year, month)).sum();
    Some(days_until_year(year) + months + day - 1)
}

/// The date this many days after the first of January 1970.
fn date_of(days: u64) -> (u64, u64, u64) {
    // The first guess may be a year too late, because of the leap days.
    let mut year = 1970 + days / 365;
    while days_until_year(year) > days {
        year -= 1;
    }
    let mut rest = days - days_until_year(year);
    let mut month = 1;
    while rest >= days_in(year, month) {
        rest -= days_in(year, month);
        month += 1;
    }
    (year, month, rest + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_dates() {
        for (seconds, shown) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_796_000_299, "2026-11-30 00:58 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
            (LAST_SHOWN, "9999-12-31 23:59 UTC"),
        ] {
            assert_eq!(Timestamp(seconds).to_string(), shown);
        }
        assert!(Timestamp(u64::MAX).to_string().contains("18446744073709551615"));
    }

    #[test]
    fn dates_are_read() {
        let read = |text: &str| text.parse::<Timestamp>().map(|time| time.to_string());
        assert_eq!(read("2027-01-31").as_deref(), Ok("2027-01-31 23:59 UTC"));
        assert_eq!(read("2028-02-29T16:05:00Z").as_deref(), Ok("2028-02-29 16:05 UTC"));
        for wrong in ["", "2027-02-29", "2027-13-01", "27-01-01", "1969-12-31", "2027-01-31T24:00:00Z", "+027-01-01"] {
            assert_eq!(read(wrong), Err(NotADate), "{wrong}");
        }
        for days in (0..60_000).step_by(17) {
            let (year, month, day) = date_of(days);
            assert_eq!(days_until(year, month, day), Some(days));
        }
    }
}
