//! What `levqor doctor` asks of a service and of its database.

mod database;
mod grpc;

pub use self::{database::database, grpc::health};
