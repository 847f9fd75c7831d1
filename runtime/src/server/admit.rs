//! Decides whether a call is admitted: the caller, by a verified token only, and the RPC's `access` option.

use std::sync::Arc;

use http::{HeaderMap, header::AUTHORIZATION};
use secrecy::SecretString;
use tonic::Status;

use super::deadline::Deadline;
use crate::{
    access::{self, Host, KeyRule, RateClass},
    code_limit::{CodeLimit, CodeLimitError},
    context::{Actor, Client, Ctx},
    error::{ErrorCode, Invalid, ServiceError, to_status},
    id,
    lifecycle::Readiness,
    refusals::Refusals,
    service_error,
    tls::PeerName,
    token::{self, ServiceTokens, TokenError, UserTokens},
};

/// The state for admission.
pub struct Admission {
    /// The service that hosts these routes.
    pub service: &'static str,
    /// Verifies users' tokens.
    pub users: UserTokens,
    /// Verifies service tokens.
    pub services: Arc<ServiceTokens>,
    /// Whether the service can work.
    pub readiness: Readiness,
    /// Whether each connection has the certificate of a process of the mesh.
    pub certificates: bool,
    /// Counts refused callers by reason.
    pub refusals: Refusals<&'static str>,
    /// Counts calls that guard codes.
    pub codes: CodeLimit,
}

service_error! {
    #[derive(Debug, thiserror::Error)]
    enum Refused {
        #[error("there is no such RPC here")]
        UnknownRpc => NotFound "UNKNOWN_RPC",
        #[error("the service is not ready")]
        NotReady => Unavailable "NOT_READY",
        #[error("send one authorization header: `Bearer` and a token")]
        Header => Unauthenticated "TOKEN_INVALID",
        #[error(transparent)]
        Token(#[from] TokenError) => source,
        #[error("the connection's certificate belongs to another process than the token's caller")]
        Certificate => Unauthenticated "CERTIFICATE_MISMATCH",
        #[error(transparent)]
        Denied(#[from] access::Denied) => source,
        #[error(transparent)]
        Key(#[from] Invalid) => InvalidArgument "IDEMPOTENCY_KEY_INVALID" + source,
        #[error(transparent)]
        Codes(#[from] CodeLimitError) => source,
    }
}

impl Admission {
    /// The context of the call; none for health and reflection calls. An error is the refusal.
    pub(super) async fn admit(
        &self,
        path: &str,
        headers: &HeaderMap,
        peer: Option<&PeerName>,
        request_id: &str,
        deadline: Deadline,
    ) -> Result<Option<Ctx>, Status> {
        // Health and reflection show no personal data. Reflection exists only where it is switched on.
        if path.starts_with("/grpc.health.v1.") || path.starts_with("/grpc.reflection.") {
            return Ok(None);
        }
        self.decide(path, headers, peer, request_id, deadline).await.map(Some).map_err(|refused| {
            let reason = refused.reason();
            match refused {
                Refused::Header | Refused::Token(_) | Refused::Certificate | Refused::Denied(_) => {
                    self.refusals.note(reason, reason);
                }
                Refused::Codes(CodeLimitError::Database(ref error)) => {
                    let (code, error) = (error.code(), error as &dyn std::error::Error);
                    if code == ErrorCode::Internal {
                        tracing::error!(error.type = "internal", error, reason, "a call cannot be counted");
                    } else {
                        tracing::warn!(error, reason, "a call cannot be counted");
                    }
                }
                Refused::UnknownRpc
                | Refused::NotReady
                | Refused::Key(_)
                | Refused::Codes(CodeLimitError::Exceeded(_)) => {
                    tracing::info!(reason, "the call was not admitted");
                }
            }
            if matches!(refused, Refused::UnknownRpc) {
                return Status::unimplemented("there is no such RPC here");
            }
            to_status(self.service, &refused)
        })
    }

    async fn decide(
        &self,
        path: &str,
        headers: &HeaderMap,
        peer: Option<&PeerName>,
        request_id: &str,
        deadline: Deadline,
    ) -> Result<Ctx, Refused> {
        let method = access::methods().by_path(path).ok_or(Refused::UnknownRpc)?;
        if matches!(&method.host, Host::Service(name) if name != self.service) {
            return Err(Refused::UnknownRpc);
        }
        let (actor, user_token) = self.actor(headers).await?;
        if self.certificates && !peer.is_some_and(|peer| may_say(peer, &actor)) {
            return Err(Refused::Certificate);
        }
        method.authorise(&actor, self.service)?;
        // A service always answers a status request. All other RPCs need its tables, without anybody who was erased.
        let is_usable = self.readiness.has_schema() && self.readiness.is_compared();
        if !is_usable && !method.rpc.starts_with("levqor.runtime.v1.StatusService/") {
            return Err(Refused::NotReady);
        }
        if method.rate == RateClass::Code {
            // Boxed, like the verification of a user: few calls need it.
            Box::pin(self.codes.count(&actor, headers)).await?;
        }
        let idempotency_key = idempotency_key(headers, method.key)?;
        let request_id = request_id.to_owned();
        let client = if method.client_evidence { Client::read(headers) } else { Client::default() };
        Ok(Ctx { actor, user_token, request_id, idempotency_key, deadline: deadline.0, method, client })
    }

    /// The caller, and the token of a person.
    async fn actor(&self, headers: &HeaderMap) -> Result<(Actor, Option<SecretString>), Refused> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else { return Ok((Actor::Anonymous, None)) };
        // With two values it is unclear which one is meant, and a proxy may have checked the other one.
        if values.next().is_some() {
            return Err(Refused::Header);
        }
        let text = value.to_str().map_err(|_| Refused::Header)?;
        let (scheme, bearer) = text.split_once(' ').ok_or(Refused::Header)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refused::Header);
        }
        let bearer = bearer.trim();
        if let Some(service) = self.services.recall(bearer, self.service) {
            return Ok((Actor::Service(service), None));
        }
        if token::is_service_token(bearer)? {
            return Ok((Actor::Service(self.services.verify(bearer, self.service)?), None));
        }
        // Boxed: it may fetch keys, and its future would enlarge the future of every call.
        let user = Box::pin(self.users.verify(bearer)).await?;
        Ok((Actor::User(user), Some(SecretString::from(bearer))))
    }
}

/// Whether the process with this certificate may present this caller's token. A service may present only its own service token, so
/// another service cannot use a stolen one. The calls of people come through the gateway, and a service may pass them on.
fn may_say(peer: &PeerName, actor: &Actor) -> bool {
    match actor {
        Actor::Service(name) => peer.is(name),
        Actor::User(_) | Actor::Anonymous => !peer.is(token::OUTSIDER),
    }
}

fn idempotency_key(headers: &HeaderMap, rule: KeyRule) -> Result<Option<String>, Invalid> {
    let invalid = |description: &str| Invalid::of("idempotency-key", description);
    if rule == KeyRule::Ignored {
        return Ok(None);
    }
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return if rule == KeyRule::Required {
            Err(invalid("expected a key: this call needs one"))
        } else {
            Ok(None)
        };
    };
    if values.next().is_some() {
        return Err(invalid("is given twice"));
    }
    let text = value.to_str().unwrap_or_default();
    if id::is_idempotency_key(text) { Ok(Some(text.to_owned())) } else { Err(invalid(id::EXPECTED_KEY)) }
}
