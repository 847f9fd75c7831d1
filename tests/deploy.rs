//! What deploys the mesh and the program agree: `Dockerfile`, `docker-compose.yml` and `k8s/` name no setting, port, probe or role
//! that the program does not have, and none that it needs is missing.

mod compose;
mod edges;
mod files;
mod image;
mod kubernetes;
mod roles;
