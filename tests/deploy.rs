//! The files that deploy the mesh agree with the program: `Dockerfile`, `docker-compose.yml` and `k8s/` name no setting, port,
//! probe or role that the program does not have, and lack none that it needs.

mod compose;
mod edges;
mod files;
mod image;
mod kubernetes;
mod roles;
