//! Until when certificates are valid: read from the certificates, exported as a metric, and checked by `levqor doctor`.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage};

use super::loaded::Live;
use crate::{
    check::Finding,
    metrics::{Attribute, Definition, KeyValue, Metrics},
};

/// A certificate that is valid for less than this should have been renewed: `levqor doctor` warns of it, and so does the alert
/// `CertificateExpires`.
pub const RENEWAL_IS_LATE: TimeDelta = TimeDelta::days(14);

pub(super) const EXPIRY: Definition = Definition::gauge(
    "levqor.tls.certificate.expiry.timestamp",
    "s",
    "Time until which a certificate in use is valid, in seconds since 1970: the process' own in the mesh, and the gateway's for everybody (`public`). If a file holds several certificates, the one that expires first counts.",
    &[Attribute::one_of("certificate", &["mesh", "public"])],
);

/// When the first of these certificates expires. `None` if the first in the file, which is the process' own, does not say when. Others
/// that cannot be read do not count: the handshake only passes them on, so they must not keep a process from its start.
pub(super) fn of(chain: &[CertificateDer<'_>]) -> Option<DateTime<Utc>> {
    let (own, others) = chain.split_first()?;
    others.iter().filter_map(of_one).chain([of_one(own)?]).min()
}

/// `webpki` says when a certificate expires only to who asks about a later time.
fn of_one(certificate: &CertificateDer<'_>) -> Option<DateTime<Utc>> {
    let parsed = EndEntityCert::try_from(certificate).ok()?;
    let end_of_time = UnixTime::since_unix_epoch(Duration::MAX);
    let verified = parsed.verify_for_usage(&[], &[], &[], end_of_time, KeyUsage::server_auth(), None, None);
    let Err(Error::CertExpired { not_after, .. }) = verified else { return None };
    DateTime::from_timestamp(i64::try_from(not_after.as_secs()).ok()?, 0)
}

/// Shows until when the certificates in use are valid. Call it once for each process' metrics.
pub fn show_expiry(metrics: &Metrics, mesh: Option<&Live>, public: Option<&Live>) {
    let both = [("mesh", mesh), ("public", public)];
    let shown: Vec<_> = both.into_iter().filter_map(|(name, live)| Some((name, live?.clone()))).collect();
    #[expect(clippy::cast_precision_loss, reason = "no certificate is valid for 2^53 seconds")]
    metrics.gauge(&EXPIRY, move |observe| {
        for (name, live) in &shown {
            observe(live.expires().timestamp() as f64, &[KeyValue::new("certificate", *name)]);
        }
    });
}

/// Judges a certificate that expires then.
pub(super) fn judge(expires: DateTime<Utc>, now: DateTime<Utc>) -> Finding {
    let time = expires.to_rfc3339_opts(SecondsFormat::Secs, true);
    if expires <= now {
        Finding::failed(format!("expired at {time}: renew it"))
    } else if expires - now < RENEWAL_IS_LATE {
        Finding::warning(format!(
            "valid until {time}, less than {} days: renew it",
            RENEWAL_IS_LATE.num_days()
        ))
    } else {
        Finding::on(format!("valid until {time}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Outcome;

    #[test]
    fn a_certificate_is_a_warning_two_weeks_before_its_end_and_a_failure_after_it() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("an instant");
        let second = TimeDelta::seconds(1);
        for (left, outcome) in [
            (TimeDelta::days(90), Outcome::On),
            (RENEWAL_IS_LATE, Outcome::On),
            (RENEWAL_IS_LATE - second, Outcome::Warning),
            (second, Outcome::Warning),
            (TimeDelta::zero(), Outcome::Failed),
            (-second, Outcome::Failed),
        ] {
            assert_eq!(judge(now + left, now).outcome, outcome, "{left}");
        }
        let words = judge(now + second, now).evidence;
        assert_eq!(words, "valid until 2027-01-15T08:00:01Z, less than 14 days: renew it");
    }
}
