//! What the tests share: Stripe's events and their signatures, the service under test, and who calls it.

mod bench;
mod idle;
mod stripe;

use levqor_runtime::testing::Caller;
use tonic::{Code, Status};
use tonic_types::StatusExt;

pub(crate) use bench::{Bench, SECRET};
pub(crate) use idle::Idle;
pub(crate) use stripe::{event, refetches, session, sign, with};

/// The reason that a status gives.
pub(crate) fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

/// The fields that a status complains about.
pub(crate) fn violated(status: &Status) -> Vec<String> {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let bad_request = status.get_error_details().bad_request().cloned().expect("violations");
    bad_request.field_violations.into_iter().map(|violation| violation.field).collect()
}

/// Calls as everybody there is: those who are named may (whatever the answer is), all others are refused with the right
/// code.
pub(crate) async fn assert_access<T>(allowed: &[&str], call: impl AsyncFn(Caller) -> Result<T, Status>) {
    let to_us = |from| Caller::service(from, "billing");
    for (name, caller, refusal) in [
        ("anonymous", Caller::anonymous(), Code::Unauthenticated),
        ("customer", Caller::customer("ada", "ada@example.com"), Code::PermissionDenied),
        ("staff", Caller::staff(), Code::PermissionDenied),
        ("admin", Caller::admin(), Code::PermissionDenied),
        ("gateway", to_us("gateway"), Code::PermissionDenied),
        ("notifications", to_us("notifications"), Code::PermissionDenied),
        ("self", to_us("billing"), Code::PermissionDenied),
        ("a token for another service", Caller::service("gateway", "support"), Code::Unauthenticated),
    ] {
        let code = call(caller).await.err().map(|status| status.code());
        let refused = matches!(code, Some(Code::Unauthenticated | Code::PermissionDenied));
        let expected = if allowed.contains(&name) { None } else { Some(refusal) };
        assert_eq!(code.filter(|_| refused), expected, "{name}");
    }
}
