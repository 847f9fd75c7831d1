//! REST in, gRPC out. The `google.api.http` options of the protos define the routes; there is no code per endpoint.

mod bind;
mod call;
mod codec;
pub(crate) mod conditional;
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
    access::{Methods, RateClass, Repeat},
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
    route::{BodyRule, Destination, Found, NoRoute, ResponseForm, Route, Routes},
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
    /// Reads the routes of all RPCs. Fails if a route cannot be served as it is written.
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

    /// The number of routes.
    #[must_use]
    pub(crate) fn routes(&self) -> usize {
        self.routes.count()
    }

    async fn answer(&self, request: Request) -> Result<Response, Problem> {
        let begun = Instant::now();
        let (parts, body) = request.into_parts();
        let found = self.routes.find(&parts.method, parts.uri.path()).map_err(|missing| match missing {
            NoRoute::NoSuchPath => Problem::no_route(),
            NoRoute::OtherMethods(allow) => Problem::method_not_allowed(Some(allow)),
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
            // Reads the remaining body: a client that reads only after it has sent everything must get an early response too.
            body.ignore().await;
            answer
        } else {
            let deadline = begun + self.timeout;
            let body = Incoming::new(body, &parts.headers, admission, route.most_bytes(), deadline);
            in_time(route, deadline, Box::pin(self.transcode(&parts, body, &found, deadline, &mut limit)))
                .await
        };
        let as_page = |problem: Problem| if route.method.page { problem.into_page() } else { problem };
        let mut response = answer.unwrap_or_else(|problem| as_page(problem).into_response());
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
        let response = route.respond(message)?;
        if conditional::applies(&parts.method, route) {
            conditional::answer(&parts.headers, response).await
        } else {
            Ok(response)
        }
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
        // The service works from the first chunk on, so the request needs its permit now.
        RequestAdmission::of(&parts.extensions)?.permit()?;
        let (channel, payload) = self.encode(found, parts, None)?;
        let call = Call { route, channel, metadata, payload, deadline };
        route.respond(upload::send(call, field, body).await?)
    }

    /// Checks that the caller may make the call. Returns the metadata of the call.
    async fn admit(
        &self,
        parts: &Parts,
        route: &Route,
        limit: &mut LimitHeaders,
    ) -> Result<MetadataMap, Problem> {
        // The caller is checked first, so a refusal does not show whether the other parts of the request are valid.
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
        let address = parts.extensions.get::<CallerAddress>().copied();
        let client = address.filter(|_| route.method.client_evidence);
        // A caller with a token is counted by the `sub`.
        let is_counted = route.method.rate == RateClass::Code && caller.actor == Actor::Anonymous;
        let counted_by = address.filter(|_| is_counted);
        let (authorization, headers) = (caller.authorization, &parts.headers);
        Ok(call::metadata(headers, authorization, idempotency_key, &request_id, client, counted_by))
    }

    /// Returns the service and the encoded request. The body and the decoded message are dropped here: the message may be many times
    /// larger than the encoded request, and a call may take long. The encoded request still counts against the limit for bodies.
    fn encode(
        &self,
        found: &Found<'_, '_>,
        parts: &Parts,
        body: Option<&mut Received>,
    ) -> Result<(Peer, Bytes), Problem> {
        let bytes = body.map(|body| std::mem::take(&mut body.bytes)).unwrap_or_default();
        let mut message = bind::request(found, parts.uri.query(), &bytes)?;
        match &found.route.body {
            BodyRule::Upload(field) => upload::set_content_type(&mut message, field, &parts.headers),
            BodyRule::Form(field) => {
                upload::set_content_type(&mut message, field, &parts.headers);
                upload::set_data(&mut message, field, bytes);
            }
            BodyRule::None | BodyRule::All | BodyRule::Field(_) => {}
        }
        let payload = Bytes::from(message.encode_to_vec());
        storable::check(&found.route.input, &payload).map_err(|invalid| Problem::invalid(invalid.0))?;
        Ok((self.channel(found.route, &message)?, payload))
    }

    /// Counts the request against its caller's limit. A caller without a valid token is identified by the address.
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
                let (head, data) = raw::parts(message);
                return Ok(raw::response(self, head, Body::from(data)));
            }
            ResponseForm::Field(field) => Some(field),
            ResponseForm::Message => None,
        };
        let json = write::to_json(&message, field).map_err(|error| self.unanswerable(&error))?;
        let mut response = Response::new(Body::from(json));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(response)
    }

    /// The problem for a failed call. The service has logged the errors that it returned; only other errors are logged here.
    fn failed(&self, status: &Status) -> Problem {
        let problem = Problem::from_status(status);
        if status.get_error_details().error_info().is_none() {
            let (rpc, code) = (self.method.rpc.as_str(), problem.code());
            let error = status.source();
            match code {
                ErrorCode::Internal => {
                    tracing::error!(rpc, grpc.code = ?status.code(), error, "a call failed without error details");
                }
                ErrorCode::Unavailable | ErrorCode::DeadlineExceeded => {
                    tracing::warn!(rpc, reason = code.as_str(), error, "a call was not answered");
                }
                _ => {}
            }
        }
        problem
    }

    /// The problem for a response that cannot be written as JSON.
    fn unanswerable(&self, error: &serde_json::Error) -> Problem {
        tracing::error!(
            rpc = self.method.rpc,
            error = error as &dyn Error,
            "a response cannot be written as JSON"
        );
        Problem::internal()
    }
}

/// Answers a request as the router's fallback.
pub(crate) async fn serve(State(transcoder): State<Arc<Transcoder>>, request: Request) -> Response {
    transcoder.answer(request).await.unwrap_or_else(IntoResponse::into_response)
}

/// Returns the answer, or a problem if there is none before the deadline.
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
    if matches!(route.body, BodyRule::Form(_)) {
        let is_form = body.bytes.is_empty() || content_type.is_some_and(is_form);
        return if is_form { Ok(Some(body)) } else { Err(not_a_form()) };
    }
    // An empty body needs no content type. A chunked or HTTP/2 body may have no length in its head, so only its end shows that it
    // is empty.
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

/// The types of HTML's forms. RFC 8058, 3.2, lets a mail program use either.
fn is_form(content_type: &HeaderValue) -> bool {
    let kind = content_type.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    ["application/x-www-form-urlencoded", "multipart/form-data"]
        .iter()
        .any(|form| kind.eq_ignore_ascii_case(form))
}

fn not_a_form() -> Problem {
    let detail = "the body must be application/x-www-form-urlencoded";
    Problem::new(ErrorCode::InvalidArgument, "NOT_A_FORM", detail)
        .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
}

fn not_json() -> Problem {
    Problem::new(ErrorCode::InvalidArgument, "NOT_JSON", "the body must be application/json")
        .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
}
