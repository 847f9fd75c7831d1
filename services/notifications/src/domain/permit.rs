//! Whether a mail may go to its recipient now. This is the only rule about that; `egress.rs` reads from the database what the
//! rule needs.

use chrono::{DateTime, Utc};
use levqor_runtime::wire_enum;

use super::{class::Class, suppression::SuppressionReason};

wire_enum! {
    /// The state of a permission for one category of marketing.
    pub enum PermissionState {
        /// The recipient agreed.
        Granted = "GRANTED",
        /// The recipient agreed once, and withdrew that.
        Withdrawn = "WITHDRAWN",
    }
}

/// The stored facts about an address, and about its permission for one category.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// Why the address is suppressed: each reason, and the time when it ends by itself (`None`: never).
    pub suppressions: Vec<(SuppressionReason, Option<DateTime<Utc>>)>,
    /// The permission for the category. None: the recipient never gave one.
    pub permission: Option<PermissionState>,
}

/// The decision about one mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// The mail may go.
    Granted,
    /// The mail must not go, for this reason.
    Suppressed(SuppressionReason),
    /// The mail must wait until this time. It is decided again then.
    Later(DateTime<Utc>),
}

/// Decides whether a mail of this class may go now to an address with these suppressions and this permission. Marketing needs a
/// permission; the other classes need none. If several reasons stop the mail, the first one in `SuppressionReason` is
/// returned.
#[must_use]
pub fn permit(class: Class, standing: &Standing, now: DateTime<Utc>) -> Permit {
    let in_force = |until: &Option<DateTime<Utc>>| until.is_none_or(|until| now < until);
    let of_address =
        standing.suppressions.iter().filter(|(_, until)| in_force(until)).map(|(reason, _)| *reason);
    let of_permission = match standing.permission {
        Some(PermissionState::Granted) => None,
        Some(PermissionState::Withdrawn) => Some(SuppressionReason::PermissionWithdrawn),
        None => Some(SuppressionReason::NoPermission),
    };
    let first = of_address.chain(of_permission).filter(|reason| reason.stops(class)).min();
    first.map_or(Permit::Granted, Permit::Suppressed)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::{collection::vec, option, prelude::*, sample::select};

    use super::*;
    use crate::domain::suppression::SuppressionReason::{
        Complaint, HardBounce, NoPermission, Objection, PermissionWithdrawn, Restriction, SoftBounces, Staff,
    };

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn standing(reasons: &[SuppressionReason], permission: Option<PermissionState>) -> Standing {
        Standing { suppressions: reasons.iter().map(|reason| (*reason, None)).collect(), permission }
    }

    #[test]
    fn each_reason_stops_the_classes_that_it_is_about() {
        let granted = Some(PermissionState::Granted);
        for (reason, stops_all) in [
            (HardBounce, true),
            (Staff, true),
            (Complaint, false),
            (Objection, false),
            (Restriction, false),
            (SoftBounces, false),
        ] {
            for class in Class::ALL {
                let stops = stops_all || class == Class::Marketing;
                let expected = if stops { Permit::Suppressed(reason) } else { Permit::Granted };
                assert_eq!(
                    permit(class, &standing(&[reason], granted), NOW),
                    expected,
                    "{reason:?} {class:?}"
                );
            }
        }
    }

    #[test]
    fn only_marketing_needs_a_permission() {
        for (permission, expected) in [
            (None, Permit::Suppressed(NoPermission)),
            (Some(PermissionState::Withdrawn), Permit::Suppressed(PermissionWithdrawn)),
            (Some(PermissionState::Granted), Permit::Granted),
        ] {
            assert_eq!(permit(Class::Marketing, &standing(&[], permission), NOW), expected);
            for class in [Class::Transactional, Class::Operator] {
                assert_eq!(permit(class, &standing(&[], permission), NOW), Permit::Granted);
            }
        }
    }

    #[test]
    fn a_suppression_ends_at_its_time() {
        let ends = |seconds| Standing {
            suppressions: vec![(HardBounce, Some(NOW + TimeDelta::seconds(seconds)))],
            permission: None,
        };
        assert_eq!(permit(Class::Transactional, &ends(1), NOW), Permit::Suppressed(HardBounce));
        assert_eq!(permit(Class::Transactional, &ends(0), NOW), Permit::Granted);
    }

    proptest! {
        #[test]
        fn a_mail_goes_exactly_if_nothing_stops_its_class(
            reasons in vec((select(&[HardBounce, Staff, Complaint, Objection, Restriction, SoftBounces][..]), option::of(-2..3i64)), 0..6),
            permission in option::of(select(&PermissionState::ALL[..])),
            class in select(&Class::ALL[..]),
        ) {
            let ends = |seconds: i64| NOW + TimeDelta::seconds(seconds);
            let suppressions: Vec<_> =
                reasons.iter().map(|(reason, until)| (*reason, until.map(ends))).collect();
            let stopped = suppressions
                .iter()
                .any(|(reason, until)| reason.stops(class) && until.is_none_or(|until| until > NOW));
            let lacks = class == Class::Marketing && permission != Some(PermissionState::Granted);
            let decided = permit(class, &Standing { suppressions, permission }, NOW);
            prop_assert_eq!(decided == Permit::Granted, !stopped && !lacks);
        }
    }
}
