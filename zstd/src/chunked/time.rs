//! Times as Go's JSON writes them.

use super::header::Time;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// RFC 3339 in UTC, with as many digits of the fraction as it has.
pub(super) fn date((seconds, nanoseconds): Time) -> String {
    let (day, of_day) = (seconds.div_euclid(DAY_SECONDS), seconds.rem_euclid(DAY_SECONDS));
    let (year, month, day) = civil(day);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let fraction = match nanoseconds {
        0 => String::new(),
        _ => format!(".{}", format!("{nanoseconds:09}").trim_end_matches('0')),
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// Year, month and day of a day since 1970, in the Gregorian calendar. Years begin in March here, so that the day of a
/// leap year is their last one.
fn civil(day: i64) -> (i64, i64, i64) {
    let since = day.saturating_add(719_468);
    let (era, of_era) = (since.div_euclid(146_097), since.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_dates() {
        for (time, wanted) in [
            ((0, 0), "1970-01-01T00:00:00Z"),
            ((-62_135_596_800, 0), "0001-01-01T00:00:00Z"),
            ((951_782_399, 120_000_000), "2000-02-28T23:59:59.12Z"),
            ((951_782_400, 1), "2000-02-29T00:00:00.000000001Z"),
            ((1_790_000_000, 0), "2026-09-21T14:13:20Z"),
            ((-1, 999_999_999), "1969-12-31T23:59:59.999999999Z"),
        ] {
            assert_eq!(date(time), wanted);
        }
        date((i64::MAX, 0));
        date((i64::MIN, 0));
    }
}
