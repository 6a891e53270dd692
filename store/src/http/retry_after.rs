//! The `Retry-After` header (RFC 9110, section 10.2.3), which holds seconds or a date.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The time to wait from now on. The result is `None` if the value has neither form.
pub(crate) fn parse(value: &str) -> Option<Duration> {
    parse_at(value, SystemTime::now())
}

fn parse_at(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return value.parse().ok().map(Duration::from_secs);
    }
    // A date in the past asks for no wait.
    Some(parse_date(value)?.duration_since(now).unwrap_or_default())
}

/// Parses `Sun, 06 Nov 1994 08:49:37 GMT`, the only form that senders may write (RFC 9110, section 5.6.7).
pub(crate) fn parse_date(text: &str) -> Option<SystemTime> {
    let mut words = text.split_ascii_whitespace();
    let (_weekday, day, month, year, time, zone) =
        (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let days = days_since_epoch(number(year)?, month, number(day)?)?;
    let mut clock = time.split(':').map(number);
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let valid = zone == "GMT" && hour < 24 && minute < 60 && second <= 60;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second;
    valid.then(|| UNIX_EPOCH + Duration::from_secs(seconds))
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

/// The number of days in the Gregorian calendar since 1 January 1970, for the years 1970 to 9999.
fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    // The year is taken to begin in March, so that the leap day is its last day.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    Some(year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn seconds_are_taken_as_they_are() {
        assert_eq!(parse("120"), Some(Duration::from_secs(120)));
        assert_eq!(parse(" 0 "), Some(Duration::ZERO));
    }

    #[test]
    fn dates_are_counted_from_now() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(parse_date(date), Some(at(784_111_777)));
        assert_eq!(parse_at(date, at(784_111_770)), Some(Duration::from_secs(7)));
        assert_eq!(parse_at(date, at(784_111_780)), Some(Duration::ZERO));
        assert_eq!(parse_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(at(0)));
        assert_eq!(parse_date("Thu, 29 Feb 2024 12:00:00 GMT"), Some(at(1_709_208_000)));
    }

    #[test]
    fn anything_else_is_ignored() {
        for value in ["", "-1", "soon", "Sun, 06 Nov 1994 08:49:37 PST", "Sun, 06 Nov 1994"] {
            assert_eq!(parse(value), None, "{value}");
        }
        assert_eq!(parse("Sun, 06 Nov 1994 25:49:37 GMT"), None);
        assert_eq!(parse("99999999999999999999"), None);
    }
}
