//! The routes of a service: its own, and the routes that every service hosts.

use std::sync::Arc;

use levqor_proto_runtime::v1::{
    audit_chain_service_server::AuditChainServiceServer, digest_service_server::DigestServiceServer,
    guard_service_server::GuardServiceServer, ledger_service_server::LedgerServiceServer,
    privacy_service_server::PrivacyServiceServer, status_service_server::StatusServiceServer,
    tunnel_service_server::TunnelServiceServer, work_service_server::WorkServiceServer,
};
use tonic::service::Routes;

use crate::{
    health::Healths,
    hosted::{Adapter, Hosted},
    service::Service,
    tunnel::TunnelHost,
};

/// All routes of a service. With `reflects`, anybody who reaches the port may list the RPCs.
pub(super) fn routes<S: Service>(
    hosted: Hosted<S>,
    health: &Healths,
    tunnels: TunnelHost,
    reflects: bool,
) -> Result<Routes, tonic_reflection::server::Error> {
    let mut routes = Routes::builder();
    hosted.service.routes(&mut routes);
    let hosted = Arc::new(hosted);
    routes.add_service(WorkServiceServer::new(Adapter(Arc::clone(&hosted))));
    routes.add_service(StatusServiceServer::new(Adapter(Arc::clone(&hosted))));
    routes.add_service(GuardServiceServer::new(Adapter(Arc::clone(&hosted))));
    routes.add_service(PrivacyServiceServer::new(Adapter(Arc::clone(&hosted))));
    routes.add_service(AuditChainServiceServer::new(Adapter(Arc::clone(&hosted))));
    routes.add_service(LedgerServiceServer::new(Adapter(Arc::clone(&hosted))));
    routes.add_service(DigestServiceServer::new(Adapter(hosted)));
    routes.add_service(TunnelServiceServer::new(tunnels));
    routes.add_service(health.server());
    if !reflects {
        return Ok(routes.routes());
    }
    let reflection = || {
        let builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(levqor_proto_runtime::FILE_DESCRIPTOR_SET);
        S::DESCRIPTORS.iter().fold(builder, |builder, set| builder.register_encoded_file_descriptor_set(set))
    };
    routes.add_service(reflection().build_v1()?);
    // grpcurl 1.8 uses the older reflection version.
    routes.add_service(reflection().build_v1alpha()?);
    Ok(routes.routes())
}
