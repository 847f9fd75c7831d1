//! Tests of metrics, dashboards and alerts: an engineer on call can rely on them.

mod catalogue;
mod collector;
mod dashboards;
mod documents;
mod files;
mod moves;
pub(crate) mod page;
mod queries;
mod rules;
mod shown;
