//! Routes: finds the RPC for an HTTP method and a path, without copying the path.

use std::{collections::BTreeSet, sync::Arc};

use http::{HeaderValue, Method as HttpMethod};
use levqor_runtime::access::{Method, Methods, RateClass};
use prost_reflect::{FieldDescriptor, MessageDescriptor};

use super::{
    escape::NotDecodable,
    rule::{self, RouteError},
    template::Template,
};
use crate::body::{MOST_BYTES, MOST_CHAT_BYTES, MOST_UPLOAD_BYTES};

/// One route of one RPC. An RPC may have several.
#[derive(Debug)]
pub(crate) struct Route {
    /// The RPC.
    pub method: &'static Method,
    /// The HTTP method.
    pub http_method: HttpMethod,
    /// The path template as it is written: `http.route`.
    pub path: String,
    /// The name of the span, such as `GET /v1/orders/{order_id}`.
    pub span_name: String,
    /// The path template.
    pub template: Template,
    /// The fields that the template's variables set, in its order.
    pub variables: Vec<Variable>,
    /// The content of a request's body.
    pub body: BodyRule,
    /// The content of a response's body.
    pub answer: ResponseForm,
    /// Whether the RPC answers with a stream.
    pub streaming: bool,
    /// The service that is called.
    pub destination: Destination,
    /// The request's type.
    pub input: MessageDescriptor,
    /// The response's type.
    pub output: MessageDescriptor,
}

impl Route {
    /// How many bytes the body of a request may have.
    #[must_use]
    pub(crate) fn most_bytes(&self) -> usize {
        match (&self.body, self.method.rate) {
            (BodyRule::Upload(_), _) => MOST_UPLOAD_BYTES,
            (BodyRule::Form(_), _) | (_, RateClass::Chat) => MOST_CHAT_BYTES,
            (_, RateClass::Default | RateClass::Code | RateClass::Heavy) => MOST_BYTES,
        }
    }
}

/// A field that the path sets.
#[derive(Debug)]
pub(crate) struct Variable {
    /// Its path in the request, `order.order_id`.
    pub name: String,
    /// The fields in its path. The last one is the field itself.
    pub fields: Vec<FieldDescriptor>,
}

/// The content of a request's body.
#[derive(Debug)]
pub(crate) enum BodyRule {
    /// The request has no body.
    None,
    /// All fields that the path does not set.
    All,
    /// One field.
    Field(FieldDescriptor),
    /// The bytes of one field of type `google.api.HttpBody`. They are sent as a stream of messages.
    Upload(FieldDescriptor),
    /// The bytes of one field of type `google.api.HttpBody`: the form of an HTML page, whole.
    Form(FieldDescriptor),
}

/// The content of a response's body.
#[derive(Debug)]
pub(crate) enum ResponseForm {
    /// The response, as JSON.
    Message,
    /// One field of the response, as JSON.
    Field(FieldDescriptor),
    /// The bytes of a `google.api.HttpBody`.
    Raw,
}

/// The service that a route calls.
#[derive(Debug)]
pub(crate) enum Destination {
    /// Always this one.
    Service(String),
    /// The one that this field of the request names.
    RoutedBy(FieldDescriptor),
}

/// All routes. The more specific ones come first.
#[derive(Debug)]
pub(crate) struct Routes(Vec<PathRoutes>);

/// One path template, and the routes of its methods.
#[derive(Debug)]
struct PathRoutes {
    template: Template,
    routes: Vec<Arc<Route>>,
}

/// A route, and the path of the request that matches it.
pub(crate) struct Found<'r, 'p> {
    /// The route.
    pub route: &'r Arc<Route>,
    segments: Vec<&'p str>,
}

/// Why a request has no route.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoRoute {
    /// No route has this path.
    NoSuchPath,
    /// The path exists, but only with these methods.
    OtherMethods(HeaderValue),
}

impl Routes {
    /// Reads the routes of every RPC.
    pub(crate) fn read(methods: &'static Methods) -> Result<Self, RouteError> {
        let http = methods.pool().get_extension_by_name("google.api.http").ok_or(RouteError::NoExtension)?;
        let mut paths: Vec<PathRoutes> = Vec::new();
        for method in methods.iter() {
            for route in rule::routes(method, &http)? {
                if let Some(path) = paths.iter_mut().find(|path| path.template.same_shape(&route.template)) {
                    path.push(route)?;
                } else {
                    paths
                        .push(PathRoutes { template: route.template.clone(), routes: vec![Arc::new(route)] });
                }
            }
        }
        paths.sort_by(|a, b| a.template.by_preference(&b.template));
        Ok(Self(paths))
    }

    /// The number of routes.
    #[must_use]
    pub(crate) fn count(&self) -> usize {
        self.0.iter().map(|path| path.routes.len()).sum()
    }

    /// Finds the route of a request. `HEAD` is `GET` without a body.
    pub(crate) fn find<'p>(&self, method: &HttpMethod, path: &'p str) -> Result<Found<'_, 'p>, NoRoute> {
        let method = if *method == HttpMethod::HEAD { &HttpMethod::GET } else { method };
        let path = path.strip_prefix('/').ok_or(NoRoute::NoSuchPath)?;
        let mut segments: Vec<&str> = if path.is_empty() { Vec::new() } else { path.split('/').collect() };
        // The text after the colon is a verb if a route has that verb. Otherwise the colon is part of the last segment.
        if let Some((last, verb)) = segments.last().and_then(|last| last.rsplit_once(':')) {
            let whole = segments.pop();
            segments.push(last);
            match self.lookup(method, &segments, Some(verb)) {
                Ok(route) => return Ok(Found { route, segments }),
                Err(NoRoute::OtherMethods(allow)) => return Err(NoRoute::OtherMethods(allow)),
                Err(NoRoute::NoSuchPath) => {
                    segments.pop();
                    segments.extend(whole);
                }
            }
        }
        let route = self.lookup(method, &segments, None)?;
        Ok(Found { route, segments })
    }

    fn lookup(&self, method: &HttpMethod, path: &[&str], verb: Option<&str>) -> Result<&Arc<Route>, NoRoute> {
        let mut others = BTreeSet::new();
        for known in &self.0 {
            if known.template.verb() != verb || !known.template.matches(path) {
                continue;
            }
            if let Some(route) = known.routes.iter().find(|route| route.http_method == *method) {
                return Ok(route);
            }
            others.extend(known.routes.iter().map(|route| route.http_method.as_str()));
        }
        if others.is_empty() {
            return Err(NoRoute::NoSuchPath);
        }
        if others.contains("GET") {
            others.insert("HEAD");
        }
        let allow = others.into_iter().collect::<Vec<_>>().join(", ");
        HeaderValue::try_from(allow)
            .map_or(Err(NoRoute::NoSuchPath), |allow| Err(NoRoute::OtherMethods(allow)))
    }
}

impl PathRoutes {
    fn push(&mut self, route: Route) -> Result<(), RouteError> {
        if let Some(other) = self.routes.iter().find(|other| other.http_method == route.http_method) {
            let (first, second) = (other.method.rpc.clone(), route.method.rpc.clone());
            return Err(RouteError::Ambiguous { first, second, route: route.span_name });
        }
        self.routes.push(Arc::new(route));
        Ok(())
    }
}

impl<'r> Found<'r, '_> {
    /// The fields that the path sets, with their values.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&'r Variable, Result<String, NotDecodable>)> {
        let template = &self.route.template;
        let values = template.variables().iter().map(|variable| template.value(variable, &self.segments));
        self.route.variables.iter().zip(values)
    }
}
