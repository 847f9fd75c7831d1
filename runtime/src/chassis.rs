//! The parts that every service holds: database, channels, clock and tasks. With them it asks other services.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use tonic::{Code, Request, Response, Status};

use crate::{
    client::{Channels, Outgoing, Peer},
    clock::Clock,
    db::Db,
    error::ErrorCode,
    metrics::Metrics,
    tasks::Tasks,
    token::ServiceTokens,
    wakes::Wakes,
};

/// The state that a service gets when it is built. Cheap to clone.
#[derive(Clone)]
pub struct Chassis {
    /// The service's name.
    pub service: &'static str,
    /// The service's database.
    pub db: Db,
    /// Channels to the services of the mesh.
    pub channels: Channels,
    /// Tokens for calls without a user.
    pub tokens: Arc<ServiceTokens>,
    /// Tasks that the drain waits for.
    pub tasks: Tasks,
    /// Wakes the workers of this process.
    pub wakes: Wakes,
    /// The process' clock.
    pub clock: Clock,
    /// The service's metrics.
    pub metrics: Metrics,
}

impl Chassis {
    /// Asks another service in this service's own name, and waits this long for the answer.
    pub async fn ask<R, T, F>(
        &self,
        service: &str,
        request_id: &str,
        timeout: Duration,
        request: R,
        call: impl FnOnce(Peer, Request<R>) -> F,
    ) -> Result<T, Unanswered>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let token = self.tokens.mint(self.service, service).map_err(|_| Unanswered::NoToken)?;
        self.ask_as(&token, service, request_id, timeout, request, call).await
    }

    /// The same with the rights of a user, whose token this is.
    pub async fn ask_as<R, T, F>(
        &self,
        bearer: &SecretString,
        service: &str,
        request_id: &str,
        timeout: Duration,
        request: R,
        call: impl FnOnce(Peer, Request<R>) -> F,
    ) -> Result<T, Unanswered>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let channel = self.channels.get(service).ok_or(Unanswered::NoAddress)?;
        let outgoing = Outgoing { bearer: Some(bearer), request_id, idempotency_key: None, timeout };
        match tokio::time::timeout(timeout, call(channel, outgoing.request(request))).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(Unanswered::Refused(status.code())),
            Err(_) => Err(Unanswered::TooLate),
        }
    }
}

/// Why a service that was asked gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// Its address is not set.
    NoAddress,
    /// No token can be made for the call.
    NoToken,
    /// It did not answer in time.
    TooLate,
    /// It refused, or cannot be reached.
    Refused(Code),
}

impl Unanswered {
    /// The reason, for errors and the log.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NoAddress => "its address is not set",
            Self::NoToken => "no token can be made for the call",
            Self::TooLate => "no answer in time",
            Self::Refused(code) => ErrorCode::from_grpc(code).as_str(),
        }
    }

    /// The gRPC code that says the same.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::NoAddress => Code::Unavailable,
            Self::NoToken => Code::Internal,
            Self::TooLate => Code::DeadlineExceeded,
            Self::Refused(code) => code,
        }
    }
}
