//! Until when certificates are valid: read from the certificates, exported as metrics, and checked by `levqor doctor`.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage};

use super::loaded::Live;
use crate::{
    check::Finding,
    metrics::{Attribute, Definition, KeyValue, Metrics},
};

/// An alert warns about a certificate that is valid for less than this time, and for less than a third of its life.
pub const RENEWAL_IS_LATE: TimeDelta = TimeDelta::days(14);

pub(super) const EXPIRY: Definition = Definition::gauge(
    "levqor.tls.certificate.expiry.timestamp",
    "s",
    "Time until which a certificate in use is valid, in seconds since 1970: the process' own in the mesh, and the gateway's for everybody (`public`). If a file holds several certificates, the one that expires first counts.",
    &[Attribute::one_of("certificate", &["mesh", "public"])],
);

pub(super) const RENEWAL: Definition = Definition::gauge(
    "levqor.tls.certificate.renewal.timestamp",
    "s",
    "Time by which a certificate in use should have been renewed, in seconds since 1970: 14 days before it expires, or when a third of its life is left, whichever is later. If a file holds several certificates, the first such time counts.",
    &[Attribute::one_of("certificate", &["mesh", "public"])],
);

/// Until when certificates are valid.
#[derive(Debug, Clone, Copy)]
pub(super) struct Validity {
    /// When the first of them expires.
    expires: DateTime<Utc>,
    /// When all of them should have been renewed.
    renewal: DateTime<Utc>,
}

impl Validity {
    fn between(begins: DateTime<Utc>, expires: DateTime<Utc>) -> Self {
        Self { expires, renewal: expires - RENEWAL_IS_LATE.min((expires - begins) / 3) }
    }

    fn first(self, other: Self) -> Self {
        Self { expires: self.expires.min(other.expires), renewal: self.renewal.min(other.renewal) }
    }
}

/// Until when these certificates are valid. `None` if the validity of the first certificate in the file, the process' own, cannot be read.
/// Other unreadable certificates do not count: the handshake only sends them, so they must not prevent a start.
pub(super) fn of(chain: &[CertificateDer<'_>]) -> Option<Validity> {
    let (own, others) = chain.split_first()?;
    Some(others.iter().filter_map(of_one).fold(of_one(own)?, Validity::first))
}

/// The validity of one certificate. `webpki` shows its begin and its end only in the errors for an earlier and for a later time.
fn of_one(certificate: &CertificateDer<'_>) -> Option<Validity> {
    let parsed = EndEntityCert::try_from(certificate).ok()?;
    let refused =
        |at: UnixTime| parsed.verify_for_usage(&[], &[], &[], at, KeyUsage::server_auth(), None, None).err();
    let (first, last) =
        (UnixTime::since_unix_epoch(Duration::ZERO), UnixTime::since_unix_epoch(Duration::MAX));
    let Some(Error::CertExpired { not_after, .. }) = refused(last) else { return None };
    let begins =
        if let Some(Error::CertNotValidYet { not_before, .. }) = refused(first) { not_before } else { first };
    Some(Validity::between(instant(begins)?, instant(not_after)?))
}

fn instant(time: UnixTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(i64::try_from(time.as_secs()).ok()?, 0)
}

/// Exports until when the certificates in use are valid. Call it once per process.
pub fn show_expiry(metrics: &Metrics, mesh: Option<&Live>, public: Option<&Live>) {
    let both = [("mesh", mesh), ("public", public)];
    let shown: Vec<_> = both.into_iter().filter_map(|(name, live)| Some((name, live?.clone()))).collect();
    let show = |definition: &'static Definition, time: fn(Validity) -> DateTime<Utc>| {
        let shown = shown.clone();
        #[expect(clippy::cast_precision_loss, reason = "no certificate is valid for 2^53 seconds")]
        metrics.gauge(definition, move |observe| {
            for (name, live) in &shown {
                observe(time(live.validity()).timestamp() as f64, &[KeyValue::new("certificate", *name)]);
            }
        });
    };
    show(&EXPIRY, |validity| validity.expires);
    show(&RENEWAL, |validity| validity.renewal);
}

/// Whether the certificates must be renewed now.
pub(super) fn judge(validity: Validity, now: DateTime<Utc>) -> Finding {
    let [time, renewal] =
        [validity.expires, validity.renewal].map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true));
    if validity.expires <= now {
        Finding::failed(format!("expired at {time}: renew it"))
    } else if validity.renewal < now {
        Finding::warning(format!("valid until {time}, to be renewed by {renewal}: renew it"))
    } else {
        Finding::on(format!("valid until {time}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Outcome;

    #[test]
    fn a_certificate_is_a_warning_two_weeks_or_a_third_of_its_life_before_its_end_and_a_failure_after_its_end()
     {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("an instant");
        let (second, day) = (TimeDelta::seconds(1), TimeDelta::days(1));
        let judged =
            |life: TimeDelta, left: TimeDelta| judge(Validity::between(now + left - life, now + left), now);
        for (life, late) in
            [(day * 90, RENEWAL_IS_LATE), (day * 42, RENEWAL_IS_LATE), (day * 12, day * 4), (day, day / 3)]
        {
            for (left, outcome) in [
                (life, Outcome::On),
                (late, Outcome::On),
                (late - second, Outcome::Warning),
                (second, Outcome::Warning),
                (TimeDelta::zero(), Outcome::Failed),
                (-second, Outcome::Failed),
            ] {
                assert_eq!(judged(life, left).outcome, outcome, "{life}: {left}");
            }
        }
        let words = judged(day * 90, second).evidence;
        assert_eq!(
            words,
            "valid until 2027-01-15T08:00:01Z, to be renewed by 2027-01-01T08:00:01Z: renew it"
        );
    }
}
