//! Asks the service that requested a message whether the message is still wanted.

use std::time::Duration;

use levqor_proto_runtime::v1::{StillWantedRequest, guard_service_client::GuardServiceClient};
use levqor_runtime::{chassis::Chassis, client::Outgoing, context::Ctx, error::ErrorCode};

use crate::{
    domain::message::{Guard, Outcome},
    error::Error,
};

/// How long to wait for the answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks the service. Returns none if the message is still wanted, otherwise its outcome. No answer is an error: the message is
/// neither sent nor dropped.
pub(crate) async fn ask(chassis: &Chassis, ctx: &Ctx, guard: &Guard) -> Result<Option<Outcome>, Error> {
    let Guard { service, subject } = guard;
    let unanswered = |what| Error::GuardUnanswered { service: service.clone(), what };
    let channel = chassis.channels.get(service).ok_or_else(|| unanswered("its address is not set"))?;
    let token = chassis.tokens.mint(chassis.service, service);
    let token = token.map_err(|_| unanswered("no token can be made for the call"))?;
    let outgoing = Outgoing {
        bearer: Some(&token),
        request_id: &ctx.request_id,
        idempotency_key: None,
        timeout: PATIENCE,
    };
    let request = StillWantedRequest { service: service.clone(), subject: subject.clone() };
    let mut client = GuardServiceClient::new(channel);
    let answer = tokio::time::timeout(PATIENCE, client.still_wanted(outgoing.request(request))).await;
    let answer = answer.map_err(|_| unanswered("no answer in time"))?;
    let answer =
        answer.map_err(|status| unanswered(ErrorCode::from_grpc(status.code()).as_str()))?.into_inner();
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
