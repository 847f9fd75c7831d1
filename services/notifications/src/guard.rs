//! Asks the service that requested a message whether the message is still wanted.

use std::time::Duration;

use levqor_proto_runtime::v1::{StillWantedRequest, guard_service_client::GuardServiceClient};
use levqor_runtime::{
    chassis::{Chassis, Unanswered},
    context::Ctx,
};

use crate::{
    domain::message::{Guard, Outcome},
    error::Error,
};

/// How long to wait for the answer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Asks the service. Returns none if the message is still wanted, otherwise its outcome. No answer is an error: the message is
/// neither sent nor dropped.
pub(crate) async fn ask(chassis: &Chassis, ctx: &Ctx, guard: &Guard) -> Result<Option<Outcome>, Error> {
    let Guard { service, subject } = guard;
    let request = StillWantedRequest { service: service.clone(), subject: subject.clone() };
    let answer = chassis.ask(service, &ctx.request_id, TIMEOUT, request, async |channel, request| {
        GuardServiceClient::new(channel).still_wanted(request).await
    });
    let unanswered =
        |why: Unanswered| Error::GuardUnanswered { service: service.clone(), what: why.reason() };
    let answer = answer.await.map_err(unanswered)?;
    Ok(if answer.wanted { None } else { Some(Outcome::Cancelled { reason: named(answer.reason) }) })
}

/// The reason, if it is a name. A longer text could be personal.
fn named(reason: String) -> String {
    let is_name = (1..=100).contains(&reason.len())
        && reason.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    if is_name { reason } else { "NOT_WANTED".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_is_kept_as_a_reason() {
        assert_eq!(named("INVOICE_PAID".to_owned()), "INVOICE_PAID");
        for text in ["", "ada@example.com has paid", "paid"] {
            assert_eq!(named(text.to_owned()), "NOT_WANTED");
        }
    }
}
