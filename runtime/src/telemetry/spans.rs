//! Spans by OpenTelemetry's semantic conventions (HTTP, RPC): their names, kinds and attributes, once.

use http::HeaderMap;
use tonic::Code;
use tracing::{Span, field::Empty};
use uuid::Uuid;

use super::{
    context::{continue_trace, is_recorded, resume_trace},
    record::Origin,
    sampling::Port,
};
use crate::{access, grpc_code};

/// The name of an unknown RPC. A caller's text must not become a name in statistics.
const OTHER: &str = "_OTHER";

/// The span of an incoming gRPC request.
pub(crate) fn rpc_server_span(service: &str, path: &str, headers: &HeaderMap, request_id: &str) -> Span {
    let rpc = known(path);
    let span = tracing::info_span!(
        "rpc",
        otel.name = rpc,
        otel.kind = "server",
        otel.status_code = Empty,
        levqor.service = service,
        rpc.system.name = "grpc",
        rpc.method = rpc,
        rpc.response.status_code = Empty,
        error.type = Empty,
        request.id = request_id,
    );
    continue_trace(&span, headers, Port::Grpc);
    span
}

/// The span of an outgoing gRPC call. `None` if the trace is not recorded.
pub(crate) fn rpc_client_span(path: &str) -> Option<Span> {
    if !is_recorded(&Span::current()) {
        return None;
    }
    let rpc = known(path);
    let service = Origin::current().facts.service;
    Some(tracing::info_span!(
        "call",
        otel.name = rpc,
        otel.kind = "client",
        otel.status_code = Empty,
        levqor.service = service,
        rpc.system.name = "grpc",
        rpc.method = rpc,
        rpc.response.status_code = Empty,
        error.type = Empty,
    ))
}

/// Records the outcome of a call on the server's span.
pub(crate) fn record_served(span: &Span, code: Code) {
    let name = grpc_code::name(code);
    span.record("rpc.response.status_code", name);
    if grpc_code::is_failure(code) {
        fail(span, name);
    }
}

/// Records the outcome of a call on the client's span.
pub(crate) fn record_called(span: &Span, code: Code) {
    let name = grpc_code::name(code);
    span.record("rpc.response.status_code", name);
    if code != Code::Ok {
        fail(span, name);
    }
}

/// Marks a span as failed, with this error type.
pub fn fail(span: &Span, kind: &str) {
    span.record("otel.status_code", "ERROR");
    span.record("error.type", kind);
}

/// The span of one attempt of a deferred call, in the trace that deferred it. `attempts` includes this attempt.
pub(crate) fn deferred_span(service: &str, rpc: &str, id: Uuid, attempts: i32, trace_parent: &str) -> Span {
    let span = tracing::info_span!(
        "deferred call",
        otel.name = format!("deliver {rpc}"),
        otel.kind = "consumer",
        otel.status_code = Empty,
        levqor.service = service,
        rpc.method = rpc,
        deferred_call.id = %id,
        deferred_call.attempts = attempts,
        error.type = Empty,
    );
    resume_trace(&span, trace_parent);
    span
}

/// The span of work that continues from a stored trace context, in its trace and linked to it.
pub fn resumed_span(service: &str, name: &'static str, trace_parent: &str) -> Span {
    let span = tracing::info_span!(
        "work",
        otel.name = name,
        otel.kind = "consumer",
        otel.status_code = Empty,
        levqor.service = service,
        error.type = Empty,
    );
    resume_trace(&span, trace_parent);
    span
}

/// The span of a request to an outside system. `template` is the path without its parameters.
#[must_use]
pub fn http_client_span(method: &str, host: &str, template: &str) -> Span {
    let service = Origin::current().facts.service;
    tracing::info_span!(
        "request",
        levqor.service = service,
        otel.name = format!("{method} {template}"),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = method,
        http.response.status_code = Empty,
        server.address = host,
        url.template = template,
        error.type = Empty,
    )
}

/// The span of one caller's part in a shared statement, from the request to the commit. `None` if the trace is not recorded.
pub(crate) fn shared_statement_span(operation: &str, table: &str) -> Option<Span> {
    if !is_recorded(&Span::current()) {
        return None;
    }
    let service = Origin::current().facts.service;
    let summary = format!("{operation} {table}");
    Some(tracing::info_span!(
        "shared statement",
        levqor.service = service,
        otel.name = summary,
        otel.kind = "client",
        otel.status_code = Empty,
        db.system.name = "postgresql",
        db.operation.name = operation,
        db.collection.name = table,
        db.query.summary = summary,
        error.type = Empty,
    ))
}

/// Records the answer of an outside system: its status, or the reason why there is none.
pub fn record_http(span: &Span, answer: Result<u16, &str>) {
    match answer {
        Ok(status) => {
            span.record("http.response.status_code", i64::from(status));
            if status >= 400 {
                fail(span, &status.to_string());
            }
        }
        Err(kind) => fail(span, kind),
    }
}

/// The RPC of a path, if it belongs to the mesh or to the platform.
fn known(path: &str) -> &str {
    let platform = path.starts_with("/grpc.health.v1.") || path.starts_with("/grpc.reflection.");
    match access::methods().by_path(path) {
        Some(method) => &method.rpc,
        None if platform => path.trim_start_matches('/'),
        None => OTHER,
    }
}
