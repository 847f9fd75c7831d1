//! Makes routes from the `google.api.http` options of RPCs. All options are checked before the gateway opens its port.

use http::Method as HttpMethod;
use levqor_proto::google::api::{HttpRule, http_rule::Pattern};
use levqor_runtime::access::{Host, Method};
use prost_reflect::{ExtensionDescriptor, Kind, MessageDescriptor};

use super::{
    route::{BodyRule, Destination, ResponseForm, Route, Variable},
    scalar,
    template::{Template, TemplateError},
};

/// The type whose bytes are passed on unchanged.
const HTTP_BODY: &str = "google.api.HttpBody";

/// An RPC's `google.api.http` cannot be served. The gateway then does not start, because a missing route could stay unnoticed.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// The descriptors do not define the option.
    #[error("google/api/annotations.proto is not among the descriptors")]
    NoExtension,
    /// The option cannot be read.
    #[error("{rpc}: the google.api.http option cannot be read")]
    Unreadable {
        /// The RPC.
        rpc: String,
        /// Why.
        #[source]
        source: prost::DecodeError,
    },
    /// The path is not a valid template.
    #[error("{rpc}: the path template {template}")]
    Template {
        /// The RPC.
        rpc: String,
        /// The text.
        template: String,
        /// Why.
        #[source]
        source: TemplateError,
    },
    /// A name does not exist, or its field is not allowed there.
    #[error("{rpc}: {field} {problem}")]
    Field {
        /// The RPC.
        rpc: String,
        /// The field's path.
        field: String,
        /// The fault.
        problem: &'static str,
    },
    /// The option uses a feature that the gateway does not support.
    #[error("{rpc}: {problem}")]
    Unsupported {
        /// The RPC.
        rpc: String,
        /// Its kind.
        problem: &'static str,
    },
    /// Two RPCs have the same path and method.
    #[error("{first} and {second} have the same route {route}")]
    Ambiguous {
        /// One RPC.
        first: String,
        /// The other.
        second: String,
        /// The route that both have.
        route: String,
    },
}

/// The routes of one RPC: none if it has no binding.
pub(super) fn routes(method: &'static Method, http: &ExtensionDescriptor) -> Result<Vec<Route>, RouteError> {
    let options = method.descriptor.options();
    let option = options.has_extension(http).then(|| options.get_extension(http));
    let Some(message) = option.as_deref().and_then(prost_reflect::Value::as_message) else {
        return Ok(Vec::new());
    };
    let mut rule: HttpRule = message
        .transcode_to()
        .map_err(|source| RouteError::Unreadable { rpc: method.rpc.clone(), source })?;
    let reader = RuleReader { method, input: method.descriptor.input(), output: method.descriptor.output() };
    if method.descriptor.is_client_streaming() && method.descriptor.is_server_streaming() {
        return Err(reader.unsupported("streams in both directions have no form over REST"));
    }
    if reader.input.full_name() == HTTP_BODY {
        return Err(reader.unsupported("a request of type google.api.HttpBody is not supported"));
    }
    let additional = std::mem::take(&mut rule.additional_bindings);
    if additional.iter().any(|binding| !binding.additional_bindings.is_empty()) {
        return Err(reader.unsupported("additional bindings inside additional bindings"));
    }
    std::iter::once(&rule).chain(&additional).map(|rule| reader.route(rule)).collect()
}

struct RuleReader {
    method: &'static Method,
    input: MessageDescriptor,
    output: MessageDescriptor,
}

impl RuleReader {
    fn route(&self, rule: &HttpRule) -> Result<Route, RouteError> {
        let (http_method, path) = match &rule.pattern {
            Some(Pattern::Get(path)) => (HttpMethod::GET, path),
            Some(Pattern::Put(path)) => (HttpMethod::PUT, path),
            Some(Pattern::Post(path)) => (HttpMethod::POST, path),
            Some(Pattern::Delete(path)) => (HttpMethod::DELETE, path),
            Some(Pattern::Patch(path)) => (HttpMethod::PATCH, path),
            Some(Pattern::Custom(custom)) => match HttpMethod::from_bytes(custom.kind.as_bytes()) {
                Ok(method) if custom.kind != "*" => (method, &custom.path),
                _ => return Err(self.unsupported("a custom binding must name one HTTP method")),
            },
            None => return Err(self.unsupported("a binding without a path")),
        };
        let template = Template::parse(path).map_err(|source| RouteError::Template {
            rpc: self.method.rpc.clone(),
            template: path.clone(),
            source,
        })?;
        let variables = template.variables().iter().map(|variable| self.variable(&variable.field_path));
        let variables = variables.collect::<Result<Vec<_>, _>>()?;
        Ok(Route {
            span_name: format!("{http_method} {path}"),
            http_method,
            path: path.clone(),
            body: self.body(&rule.body)?,
            answer: self.answer(&rule.response_body)?,
            destination: self.destination()?,
            template,
            variables,
            input: self.input.clone(),
            output: self.output.clone(),
            streaming: self.method.descriptor.is_server_streaming(),
            method: self.method,
        })
    }

    fn variable(&self, path: &[String]) -> Result<Variable, RouteError> {
        let name = path.join(".");
        let mut fields = Vec::with_capacity(path.len());
        let mut message = Some(self.input.clone());
        for part in path {
            let outer = message
                .take()
                .ok_or_else(|| self.wrong(&name, "leads through a field that is no message"))?;
            let field = outer
                .get_field_by_name(part)
                .ok_or_else(|| self.wrong(&name, "is not a field of the request"))?;
            if field.is_list() || field.is_map() {
                return Err(self.wrong(&name, "is repeated, and cannot stand in a path"));
            }
            message = field.kind().as_message().cloned();
            fields.push(field);
        }
        if fields.last().is_some_and(|field| scalar::is_object(&field.kind())) {
            return Err(self.wrong(&name, "is an object, and cannot stand in a path"));
        }
        Ok(Variable { name, fields })
    }

    fn body(&self, name: &str) -> Result<BodyRule, RouteError> {
        let rule = match name {
            "" => BodyRule::None,
            "*" => BodyRule::All,
            name => {
                let field = self.input.get_field_by_name(name);
                let field =
                    field.ok_or_else(|| self.wrong(name, "is the body, and not a field of the request"))?;
                match field.kind() {
                    Kind::Message(message) if message.full_name() == HTTP_BODY && !field.is_list() => {
                        BodyRule::Upload(field)
                    }
                    _ => BodyRule::Field(field),
                }
            }
        };
        match (self.method.descriptor.is_client_streaming(), &rule) {
            (true, BodyRule::Upload(_)) | (false, BodyRule::None | BodyRule::All | BodyRule::Field(_)) => {
                Ok(rule)
            }
            (false, BodyRule::Upload(field)) if self.method.page => Ok(BodyRule::Form(field.clone())),
            (false, BodyRule::Upload(_)) => Err(self.unsupported(
                "a request body of type google.api.HttpBody needs client streaming, or a page whose form it is",
            )),
            (_, BodyRule::Form(_)) | (true, BodyRule::None | BodyRule::All | BodyRule::Field(_)) => {
                Err(self.unsupported("client streaming needs a body that is one google.api.HttpBody"))
            }
        }
    }

    fn answer(&self, name: &str) -> Result<ResponseForm, RouteError> {
        if self.method.page && self.output.full_name() != HTTP_BODY {
            return Err(self.unsupported("a page must be a google.api.HttpBody"));
        }
        if name.is_empty() {
            return Ok(if self.output.full_name() == HTTP_BODY {
                ResponseForm::Raw
            } else {
                ResponseForm::Message
            });
        }
        let field = self.output.get_field_by_name(name);
        let field =
            field.ok_or_else(|| self.wrong(name, "is the response body, and not a field of the response"))?;
        if matches!(field.kind(), Kind::Message(message) if message.full_name() == HTTP_BODY) {
            return Err(self.unsupported("a response body of type google.api.HttpBody is not supported"));
        }
        Ok(ResponseForm::Field(field))
    }

    fn destination(&self) -> Result<Destination, RouteError> {
        match &self.method.host {
            Host::Service(name) => Ok(Destination::Service(name.clone())),
            Host::Every { routed_by } => {
                let field = self.input.get_field_by_name(routed_by);
                let field = field.filter(|field| field.kind() == Kind::String && !field.is_list());
                field.map(Destination::RoutedBy).ok_or_else(|| {
                    self.wrong(routed_by, "names the service, and is not a string of the request")
                })
            }
        }
    }

    fn wrong(&self, field: &str, problem: &'static str) -> RouteError {
        RouteError::Field { rpc: self.method.rpc.clone(), field: field.to_owned(), problem }
    }

    fn unsupported(&self, problem: &'static str) -> RouteError {
        RouteError::Unsupported { rpc: self.method.rpc.clone(), problem }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use crate::transcode::fixture::made_of;

    fn mistake(service: &str) -> String {
        let error = made_of(service).map(|routes| routes.count()).expect_err(service);
        error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
    }

    fn rpc(signature: &str, http: &str) -> String {
        let access = "option (levqor.options.v1.access) = {role: ROLE_PUBLIC};";
        format!("rpc {signature} {{ option (google.api.http) = {{{http}}}; {access} }}")
    }

    #[test]
    fn a_rule_that_cannot_be_served_stops_the_start() {
        for (signature, http, problem) in [
            ("Do(A) returns (A)", r#"get: "v1/a""#, "must start with a slash"),
            ("Do(A) returns (A)", r#"get: "/v1/{c}""#, "c is not a field of the request"),
            ("Do(A) returns (A)", r#"get: "/v1/{id.x}""#, "id.x leads through a field that is no message"),
            ("Do(A) returns (A)", r#"get: "/v1/{ids}""#, "ids is repeated"),
            ("Do(A) returns (A)", r#"get: "/v1/{b}""#, "b is an object"),
            ("Do(A) returns (A)", r#"post: "/v1/a" body: "c""#, "c is the body, and not a field"),
            (
                "Do(A) returns (A)",
                r#"get: "/v1/a" response_body: "c""#,
                "c is the response body, and not a field",
            ),
            ("Do(stream A) returns (A)", r#"post: "/v1/a" body: "*""#, "client streaming needs a body"),
            ("Do(stream B) returns (A)", r#"post: "/v1/a" body: "id""#, "client streaming needs a body"),
            ("Do(stream B) returns (stream A)", r#"post: "/v1/a" body: "page""#, "in both directions"),
            ("Do(google.api.HttpBody) returns (A)", r#"post: "/v1/a" body: "*""#, "google.api.HttpBody"),
            ("Do(B) returns (A)", r#"post: "/v1/a" body: "page""#, "needs client streaming"),
            ("Do(A) returns (B)", r#"get: "/v1/a" response_body: "page""#, "google.api.HttpBody"),
            ("Do(A) returns (A)", r#"custom: {kind: "*" path: "/v1/a"}"#, "must name one HTTP method"),
            ("Do(A) returns (A)", r#"body: "*""#, "a binding without a path"),
        ] {
            let text = mistake(&format!("service S {{ {} }}", rpc(signature, http)));
            assert!(text.contains(problem) && text.contains("levqor.made.v1.S/Do"), "{http}: {text}");
        }
    }

    #[test]
    fn two_rpcs_with_one_route_stop_the_start() {
        let service = [
            rpc("One(A) returns (A)", r#"get: "/v1/{id}/x""#),
            rpc("Two(A) returns (A)", r#"get: "/v1/{b.id=*}/x""#),
        ];
        let text = mistake(&format!("service S {{ {} }}", service.concat()));
        assert!(text.contains("S/One") && text.contains("S/Two"), "{text}");
    }

    #[test]
    fn a_service_that_is_routed_by_nothing_stops_the_start() {
        for field in ["c", "n", "ids", "b"] {
            let option = format!("option (levqor.options.v1.routed_by) = \"{field}\";");
            let text =
                mistake(&format!("service S {{ {option} {} }}", rpc("Do(A) returns (A)", r#"get: "/v1/a""#)));
            assert!(text.contains("names the service"), "{text}");
        }
    }

    #[test]
    fn an_rpc_without_a_rule_has_no_route() {
        let service = "service S { rpc Do(A) returns (A) { option (levqor.options.v1.access) = {role: ROLE_PUBLIC}; } }";
        assert_eq!(made_of(service).expect("no routes").count(), 0);
    }

    #[test]
    fn the_real_protos_can_be_served() {
        let routes = crate::transcode::route::Routes::read(crate::methods());
        assert!(routes.expect("routes").count() >= 8);
    }
}
