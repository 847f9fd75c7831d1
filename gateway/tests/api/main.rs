//! The gateway's tests: a real gateway on a port of its own, in front of a service that answers as each test says.

mod binding;
mod bodies;
mod callers;
mod cors;
mod drain;
mod framing;
mod harness;
mod headers;
mod health;
mod json;
mod limits;
mod messages;
mod problems;
mod rates;
mod requests;
mod routing;
mod starting;
mod streams;
mod tls;
mod traces;
mod uploads;
mod upstream;
mod webhooks;
mod widget;
