//! REST in, gRPC out: what `google.api.http` says in the protos is what is served, and there is no code per endpoint.

mod bind;
mod call;
mod codec;
mod escape;
mod findings;
#[cfg(test)]
mod fixture;
mod raw;
mod read;
mod route;
mod rule;
mod scalar;
mod stream;
mod template;
mod upload;
mod write;

use std::{borrow::Cow, error::Error, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use levqor_runtime::{
    access::{Methods, Repeat},
    client::{Channels, Peer},
    context::Actor,
    error::ErrorCode,
    storable, time_limits,
};
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Value};
use tokio::time::{Instant, timeout_at};
use tonic::{Status, metadata::MetadataMap};
use tonic_types::StatusExt;

use self::{
    call::Call,
    route::{BodyRule, Destination, Found, Lost, ResponseForm, Route, Routes},
    stream::Answers,
};
pub use self::{rule::RouteError, stream::Silence};
use crate::{
    admission::RequestAdmission,
    auth::{Auth, Caller},
    body::{Incoming, Received},
    idempotency,
    peer::CallerAddress,
    pipeline,
    problem::{Ids, Problem},
    rates::{LimitExceeded, LimitHeaders, Rates},
};

/// Serves every RPC that has a route.
pub(crate) struct Transcoder {
    routes: Routes,
    channels: Channels,
    auth: Arc<Auth>,
    rates: Arc<Rates>,
    timeout: Duration,
    silence: Silence,
}

impl Transcoder {
    /// Reads the routes of all RPCs; fails on one that could not be served as it is written.
    pub(crate) fn try_new(
        methods: &'static Methods,
        channels: Channels,
        auth: Arc<Auth>,
        rates: Arc<Rates>,
        timeout: Duration,
        silence: Silence,
    ) -> Result<Self, RouteError> {
        Ok(Self { routes: Routes::read(methods)?, channels, auth, rates, timeout, silence })
    }

    /// How many routes there are.
    #[must_use]
    pub(crate) fn routes(&self) -> usize {
        self.routes.count()
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let begun = Instant::now();
        let (parts, body) = request.into_parts();
        let found = self.routes.find(&parts.method, parts.uri.path()).map_err(|lost| match lost {
            Lost::NoSuchPath => Problem::no_route(),
            Lost::OtherMethods(allow) => Problem::method_not_allowed(Some(allow)),
        })?;
        let route = found.route;
        pipeline::name_span(|| route.span_name.clone(), &route.path);
        let admission = RequestAdmission::of(&parts.extensions)?;
        let mut limit = LimitHeaders::default();
        let answer = if let BodyRule::Upload(field) = &route.body {
            let deadline = begun + self.timeout.max(time_limits::UPLOAD);
            let mut body = Incoming::new(body, &parts.headers, admission, route.most_bytes(), deadline);
            let answer = Box::pin(self.upload(&parts, field, &mut body, &found, deadline, &mut limit));
            let answer = in_time(route, deadline, answer).await;
            // Also a client that reads only after sending gets an answer that came before its end.
            body.ignore().await;
            answer
        } else {
            let deadline = begun + self.timeout;
            let body = Incoming::new(body, &parts.headers, admission, route.most_bytes(), deadline);
            in_time(route, deadline, Box::pin(self.transcode(&parts, body, &found, deadline, &mut limit)))
                .await
        };
        let mut response = answer.unwrap_or_else(IntoResponse::into_response);
        limit.add_to(response.headers_mut());
        Ok(response)
    }

    async fn transcode(
        &self,
        parts: &Parts,
        body: Incoming<'_>,
        found: &Found<'_, '_>,
        deadline: Instant,
        limit: &mut LimitHeaders,
    ) -> Result<Response, Problem> {
        let route = found.route;
        let metadata = self.admit(parts, route, limit).await?;
        let mut body = read_body(route, body, &parts.headers).await?;
        RequestAdmission::of(&parts.extensions)?.permit()?;
        let (channel, payload) = self.encode(found, parts, body.as_mut())?;
        let call = Call { route, channel, metadata, payload, deadline };
        if route.streaming {
            let messages = call.streaming().await.map_err(|status| route.failed(&status))?;
            let answers = Answers {
                route: Arc::clone(route),
                messages,
                silence: self.silence,
                deadline: (route.method.repeat != Repeat::Safe).then_some(deadline),
                ids: parts.extensions.get::<Ids>().cloned().unwrap_or_default(),
                span: tracing::Span::current(),
            };
            return answers.respond(&parts.headers).await;
        }
        let message = call.unary().await.map_err(|status| route.failed(&status))?;
        route.respond(message)
    }

    async fn upload(
        &self,
        parts: &Parts,
        field: &FieldDescriptor,
        body: &mut Incoming<'_>,
        found: &Found<'_, '_>,
        deadline: Instant,
        limit: &mut LimitHeaders,
    ) -> Result<Response, Problem> {
        let route = found.route;
        let metadata = self.admit(parts, route, limit).await?;
        body.check_announced()?;
        // Its service works from the first chunk on.
        RequestAdmission::of(&parts.extensions)?.permit()?;
        let (channel, payload) = self.encode(found, parts, None)?;
        let call = Call { route, channel, metadata, payload, deadline };
        route.respond(upload::send(call, field, body).await?)
    }

    /// Decides whether the caller may make the call, and says what it carries.
    async fn admit(
        &self,
        parts: &Parts,
        route: &Route,
        limit: &mut LimitHeaders,
    ) -> Result<MetadataMap, Problem> {
        // Who, before what: nobody learns from a refusal whether the rest of a request would have been right.
        let caller = self.auth.caller(&parts.headers).await;
        *limit = self.count(route, caller.as_ref().ok(), parts).map_err(|exceeded| {
            let problem = exceeded.problem();
            *limit = exceeded.headers;
            problem
        })?;
        let caller = caller?;
        route.method.authorise(&caller.actor, "").map_err(|denied| Problem::from_error(&denied))?;
        let idempotency_key = idempotency::key(&parts.headers, route.method.key)?;
        let request_id =
            parts.extensions.get::<Ids>().map(|ids| Arc::clone(&ids.request_id)).unwrap_or_default();
        Ok(call::metadata(&parts.headers, caller.authorization, idempotency_key, &request_id))
    }

    /// What goes to which service. The body and the decoded message are dropped here: the message may be many times as large as what
    /// is sent, and a call may take long. The body's room stays taken, for what is sent.
    fn encode(
        &self,
        found: &Found<'_, '_>,
        parts: &Parts,
        body: Option<&mut Received>,
    ) -> Result<(Peer, Bytes), Problem> {
        let bytes = body.map(|body| std::mem::take(&mut body.bytes)).unwrap_or_default();
        let mut message = bind::request(found, parts.uri.query(), &bytes)?;
        if let BodyRule::Upload(field) = &found.route.body {
            upload::set_content_type(&mut message, field, &parts.headers);
        }
        let payload = Bytes::from(message.encode_to_vec());
        storable::check(&found.route.input, &payload).map_err(|invalid| Problem::invalid(invalid.0))?;
        Ok((self.channel(found.route, &message)?, payload))
    }

    /// Counts the request against its caller's limit. Who sends a token that is not good is known by the address only.
    fn count(
        &self,
        route: &Route,
        caller: Option<&Caller>,
        parts: &Parts,
    ) -> Result<LimitHeaders, LimitExceeded> {
        let actor = caller.map_or(&Actor::Anonymous, |caller| &caller.actor);
        let address = parts.extensions.get::<CallerAddress>().copied();
        self.rates.take(route.method.rate, actor, address)
    }

    fn channel(&self, route: &Route, message: &DynamicMessage) -> Result<Peer, Problem> {
        let name = match &route.destination {
            Destination::Service(name) => Cow::Borrowed(name.as_str()),
            Destination::RoutedBy(field) => match message.get_field(field) {
                Cow::Borrowed(Value::String(name)) => Cow::Borrowed(name.as_str()),
                _ => Cow::Borrowed(""),
            },
        };
        self.channels.get(&name).ok_or_else(|| match &route.destination {
            Destination::Service(_) => {
                tracing::warn!(service = &*name, "no address is set for a service that has routes");
                Problem::unavailable("UNAVAILABLE", "the service is not reachable right now")
            }
            Destination::RoutedBy(_) => {
                Problem::new(ErrorCode::NotFound, "UNKNOWN_SERVICE", "there is no service of this name")
            }
        })
    }
}

impl Route {
    fn respond(&self, message: DynamicMessage) -> Result<Response, Problem> {
        let field = match &self.answer {
            ResponseForm::Raw => {
                let (content_type, data) = raw::parts(message);
                return Ok(raw::response(content_type, Body::from(data)));
            }
            ResponseForm::Field(field) => Some(field),
            ResponseForm::Message => None,
        };
        let json = write::to_json(&message, field).map_err(|error| self.unanswerable(&error))?;
        let mut response = Response::new(Body::from(json));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(response)
    }

    /// The problem that a failed call is. What a service told was logged there; what it cannot have seen is logged here.
    fn failed(&self, status: &Status) -> Problem {
        let problem = Problem::from_status(status);
        if status.get_error_details().error_info().is_none() {
            let (rpc, code) = (self.method.rpc.as_str(), problem.code());
            let error = status.source();
            match code {
                ErrorCode::Internal => {
                    tracing::error!(rpc, grpc.code = ?status.code(), error, "a call failed without a reason");
                }
                ErrorCode::Unavailable | ErrorCode::DeadlineExceeded => {
                    tracing::warn!(rpc, reason = code.as_str(), error, "a call was not answered");
                }
                _ => {}
            }
        }
        problem
    }

    /// The problem that an answer is which JSON cannot hold.
    fn unanswerable(&self, error: &serde_json::Error) -> Problem {
        tracing::error!(
            rpc = self.method.rpc,
            error = error as &dyn Error,
            "an answer cannot be written as JSON"
        );
        Problem::internal()
    }
}

/// Answers a request as the router's fallback.
pub(crate) async fn serve(State(transcoder): State<Arc<Transcoder>>, request: Request) -> Response {
    transcoder.answer(request).await.unwrap_or_else(IntoResponse::into_response)
}

/// The answer, or the problem that there is none in time.
async fn in_time(
    route: &Route,
    deadline: Instant,
    answer: impl Future<Output = Result<Response, Problem>>,
) -> Result<Response, Problem> {
    let late = |_| Err(route.failed(&Status::deadline_exceeded("")));
    timeout_at(deadline, answer).await.unwrap_or_else(late)
}

async fn read_body(
    route: &Route,
    body: Incoming<'_>,
    headers: &HeaderMap,
) -> Result<Option<Received>, Problem> {
    if matches!(route.body, BodyRule::None) {
        body.refuse().await?;
        return Ok(None);
    }
    let content_type = headers.get(header::CONTENT_TYPE);
    let body = body.whole().await?;
    // An empty body has no type. Only its end says that it is empty: chunked and in HTTP/2 it may come after the head.
    if body.bytes.is_empty() || content_type.is_some_and(is_json) { Ok(Some(body)) } else { Err(not_json()) }
}

/// `application/json`, in the one encoding that JSON has (RFC 8259, 8.1).
fn is_json(content_type: &HeaderValue) -> bool {
    let Ok(text) = content_type.to_str() else { return false };
    let mut parts = text.split(';').map(str::trim);
    let json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    json && parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
        !name.trim().eq_ignore_ascii_case("charset")
            || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    })
}

fn not_json() -> Problem {
    Problem::new(ErrorCode::InvalidArgument, "NOT_JSON", "the body must be application/json")
        .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
}
