//! Explains faults of a TLS connection in plain words, and says what to do.

use std::error::Error;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};

use super::failure::Cause;
use super::trust::is_authority;
use crate::Distrust;

/// The fault of TLS that a cause is. The result is `None` if the cause has nothing to do with TLS.
pub(super) fn problem(cause: &(dyn Error + 'static)) -> Option<Cause> {
    let (reason, transient) = match cause.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            return Some(Cause::Untrusted(Distrust::UnknownIssuer));
        }
        rustls::Error::InvalidCertificate(problem) if is_authority(problem) => {
            return Some(Cause::Untrusted(Distrust::Authority));
        }
        rustls::Error::InvalidCertificate(problem) => {
            (format!("the server's certificate is not accepted: {}", of_certificate(problem)), false)
        }
        rustls::Error::InvalidMessage(_) => {
            ("the server does not answer in TLS: is it an http:// server, or the wrong port?".to_owned(), true)
        }
        rustls::Error::AlertReceived(alert) => (of_alert(*alert), true),
        rustls::Error::PeerIncompatible(_) => (
            "the server has no version or cipher of TLS in common with regrow, which knows 1.2 and 1.3".to_owned(),
            true,
        ),
        _ => return None,
    };
    Some(Cause::Network { reason, transient })
}

fn of_alert(alert: AlertDescription) -> String {
    let reason = match alert {
        AlertDescription::CertificateRequired | AlertDescription::BadCertificate => {
            "it wants a certificate of the client, and regrow has none"
        }
        AlertDescription::ProtocolVersion => "it knows neither TLS 1.2 nor 1.3",
        AlertDescription::UnrecognisedName => "it has no certificate for this name",
        other => return format!("the server refuses the TLS connection ({other:?})"),
    };
    format!("the server refuses the TLS connection: {reason}")
}

fn of_certificate(problem: &CertificateError) -> String {
    let words = match problem {
        CertificateError::ExpiredContext { time, not_after } => {
            return format!(
                "it expired on {}, and this machine's clock says {}; renew it, or set the clock",
                date(*not_after),
                date(*time)
            );
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            return format!(
                "it is valid from {} on, and this machine's clock says {}; set the clock",
                date(*not_before),
                date(*time)
            );
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let wanted = expected.to_str();
            let names: Vec<_> = presented.iter().map(|name| plain_name(name)).collect();
            return match names.is_empty() {
                true => format!("it names no host in its subjectAltName; make one that names {wanted}"),
                false => format!("it is for {}, not for {wanted}; use a name that it has", names.join(", ")),
            };
        }
        CertificateError::Expired => "it expired; renew it",
        CertificateError::NotValidYet => "it is not valid yet; check this machine's clock",
        CertificateError::NotValidForName => "it is for another name",
        CertificateError::Revoked => "it was revoked",
        CertificateError::BadEncoding | CertificateError::UnhandledCriticalExtension => "it is malformed",
        CertificateError::BadSignature => "its signature is wrong",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => "it is not for servers",
        other => return other.to_string(),
    };
    words.to_owned()
}

/// The name inside `DnsName("host")` or `IpAddress(192.0.2.1)`.
fn plain_name(shown: &str) -> &str {
    let inner = shown.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(shown).trim_matches('"')
}

/// The day of a time, such as `2026-11-29`.
fn date(time: UnixTime) -> String {
    // The era begins on 1 March of the year 0, so that a leap day is the last day of its year.
    let days = time.as_secs() / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let (month, next_year) = if shifted < 10 { (shifted + 3, 0) } else { (shifted - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", year_of_era + era * 400 + next_year)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn days_have_dates() {
        for (seconds, day) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_709_251_199, "2024-02-29"),
            (1_709_251_200, "2024-03-01"),
            (4_102_444_799, "2099-12-31"),
        ] {
            assert_eq!(date(UnixTime::since_unix_epoch(Duration::from_secs(seconds))), day);
        }
    }

    #[test]
    fn names_are_shown_without_their_kind() {
        assert_eq!(plain_name("DnsName(\"localhost\")"), "localhost");
        assert_eq!(plain_name("IpAddress(192.0.2.1)"), "192.0.2.1");
        assert_eq!(plain_name("odd"), "odd");
    }
}
