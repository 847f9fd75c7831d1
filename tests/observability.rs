//! What the mesh shows of itself, and that whoever is on call can rely on it.

mod catalogue;
mod collector;
mod dashboards;
mod documents;
mod files;
mod moves;
mod page;
mod queries;
mod rules;
mod shown;
