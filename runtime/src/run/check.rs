//! The checks of `levqor doctor` for a service and its database.

mod database;
mod grpc;

pub use self::{database::database, grpc::health};
