//! Asks other services in support's own name.

use std::time::Duration;

use levqor_runtime::{
    chassis::Chassis,
    client::{Outgoing, Peer},
    error::ErrorCode,
};
use tonic::{Request, Response, Status};

/// What a service answers within this time. The error says why there is no answer, in words for the log.
pub(crate) async fn ask<R, T, F>(
    chassis: &Chassis,
    service: &str,
    request_id: &str,
    patience: Duration,
    request: R,
    call: impl FnOnce(Peer, Request<R>) -> F,
) -> Result<T, &'static str>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let channel = chassis.channels.get(service).ok_or("its address is not set")?;
    let token = chassis.tokens.mint(chassis.service, service);
    let token = token.map_err(|_| "no token can be made for the call")?;
    let outgoing = Outgoing { bearer: Some(&token), request_id, idempotency_key: None, timeout: patience };
    let answer = tokio::time::timeout(patience, call(channel, outgoing.request(request))).await;
    let answer = answer.map_err(|_| "no answer in time")?;
    Ok(answer.map_err(|status| ErrorCode::from_grpc(status.code()).as_str())?.into_inner())
}
