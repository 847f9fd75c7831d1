//! Asks the services of the mesh for the personal data that they hold, and has them erase it. This service is one of them.

use std::{future::Future, time::Duration};

use levqor_proto_runtime::v1::{
    ApplyHoldRequest, ApplyRetentionRequest, ApplyRetentionResponse, AuditEntry, CountSubjectRequest,
    DescribeTablesRequest, DescribeTablesResponse, EraseSubjectRequest, EraseSubjectResponse,
    ExportSubjectRequest, ExportSubjectResponse, GetStandingHoldIdsRequest, PreviewErasureRequest,
    ReadAuditChainRequest, RectifySubjectRequest, RectifySubjectResponse, ResolveSubjectRequest, Subject,
    TableRows, VerifyAuditChainRequest, VerifyAuditChainResponse,
    audit_chain_service_client::AuditChainServiceClient, privacy_service_client::PrivacyServiceClient,
};
use levqor_runtime::{chassis::Chassis, client::Peer, error::ErrorCode, service::Service, service_error};
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use crate::{
    Compliance,
    domain::{
        data_request::Identifiers,
        erasure::{Preview, ServicePreview},
        retention::RetentionReportId,
    },
};

/// How long to wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long, and how often, a daily check waits for services that start.
const START_PATIENCE: Duration = Duration::from_secs(10);
const START_AGAIN: Duration = Duration::from_millis(100);
/// How many times the services are asked for further identifiers, at most.
const ROUNDS: usize = 5;

service_error! {
    /// A service did not carry out its call.
    #[derive(Debug, thiserror::Error)]
    pub(crate) enum PeerError {
        /// The service did not answer, or refused.
        #[error("{service} gave no answer: {what}")]
        Unanswered {
            /// The service.
            service: String,
            /// Why.
            what: &'static str,
        } => Unavailable "SERVICE_UNANSWERED" after 10 s,
    }
}

/// The services of the mesh, as one call asks them.
pub(crate) struct Peers<'p> {
    chassis: &'p Chassis,
    request_id: &'p str,
}

impl<'p> Peers<'p> {
    pub(crate) fn new(chassis: &'p Chassis, request_id: &'p str) -> Self {
        Self { chassis, request_id }
    }

    /// The names of the services. Those that send mails come last, and this service after them: their data is needed until then.
    /// A service without an address is not part of this mesh: only tests leave one out, because `serve` needs them all.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        let all = Compliance::ASKS.iter().copied().chain([Compliance::NAME]);
        all.filter(|service| self.chassis.channels.get(service).is_some())
    }

    /// Waits some seconds until every service answers: when the mesh starts, this service is ready before others. If a
    /// service still does not answer, the call that needs it fails.
    pub(crate) async fn wait_for_start(&self) {
        let all = async {
            for service in self.names() {
                // No id is greater than this one, so the answer is always empty.
                while self.standing_holds(service, Uuid::max()).await.is_err() {
                    tokio::time::sleep(START_AGAIN).await;
                }
            }
        };
        let _ = tokio::time::timeout(START_PATIENCE, all).await;
    }

    /// Adds the identifiers that the services know, until they return no new ones.
    pub(crate) async fn resolve(&self, mut known: Identifiers) -> Result<Identifiers, PeerError> {
        for _ in 0..ROUNDS {
            let before = known.clone();
            for service in self.names() {
                let request = ResolveSubjectRequest {
                    service: service.to_owned(),
                    subject: Some(Subject::from(known.clone())),
                };
                let found = self
                    .ask(service, request, async |mut client, request| client.resolve_subject(request).await);
                known = found.await?.subject.map(Identifiers::from).unwrap_or(known);
            }
            if known == before {
                break;
            }
        }
        Ok(known)
    }

    /// What an erasure would do.
    pub(crate) async fn preview(&self, known: &Identifiers) -> Result<Preview, PeerError> {
        let mut services = Vec::new();
        for service in self.names() {
            services.push(self.preview_of(service, known).await?);
        }
        Ok(Preview { services })
    }

    /// What an erasure would do in one service.
    pub(crate) async fn preview_of(
        &self,
        service: &str,
        known: &Identifiers,
    ) -> Result<ServicePreview, PeerError> {
        let subject = Some(Subject::from(known.clone()));
        let request = PreviewErasureRequest { service: service.to_owned(), subject };
        let answer =
            self.ask(service, request, async |mut client, request| client.preview_erasure(request).await);
        let answer = answer.await?;
        Ok(ServicePreview { service: service.to_owned(), plans: answer.plans, obstacles: answer.obstacles })
    }

    /// The data that one service holds.
    pub(crate) async fn export(
        &self,
        service: &str,
        known: &Identifiers,
        without_files: bool,
    ) -> Result<Streaming<ExportSubjectResponse>, PeerError> {
        let subject = Some(Subject::from(known.clone()));
        let request = ExportSubjectRequest { service: service.to_owned(), subject, without_files };
        self.ask(service, request, async |mut client, request| client.export_subject(request).await).await
    }

    /// The next part of the data that a service sends.
    pub(crate) async fn next(
        &self,
        service: &str,
        parts: &mut Streaming<ExportSubjectResponse>,
    ) -> Result<Option<ExportSubjectResponse>, PeerError> {
        let unanswered = |what| PeerError::Unanswered { service: service.to_owned(), what };
        let next = tokio::time::timeout(TIMEOUT, parts.message()).await;
        let next = next.map_err(|_| unanswered("its data broke off"))?;
        next.map_err(|status| unanswered(ErrorCode::from_grpc(status.code()).as_str()))
    }

    /// Erases in one service, for some seconds.
    pub(crate) async fn erase(
        &self,
        service: &str,
        request: EraseSubjectRequest,
    ) -> Result<EraseSubjectResponse, PeerError> {
        self.ask(service, request, async |mut client, request| client.erase_subject(request).await).await
    }

    /// The rows that are still to be erased in one service.
    pub(crate) async fn left(&self, service: &str, known: &Identifiers) -> Result<Vec<TableRows>, PeerError> {
        let subject = Some(Subject::from(known.clone()));
        let request = CountSubjectRequest { service: service.to_owned(), subject };
        let answer =
            self.ask(service, request, async |mut client, request| client.count_subject(request).await);
        Ok(answer.await?.left)
    }

    /// Applies a hold, or its end, in one service.
    pub(crate) async fn apply_hold(&self, service: &str, request: ApplyHoldRequest) -> Result<(), PeerError> {
        self.ask(service, request, async |mut client, request| client.apply_hold(request).await).await?;
        Ok(())
    }

    /// The holds that are in force in one service, after this one. Empty if there are no more.
    pub(crate) async fn standing_holds(&self, service: &str, after: Uuid) -> Result<Vec<Uuid>, PeerError> {
        let after_hold_id = after.hyphenated().to_string();
        let request = GetStandingHoldIdsRequest { service: service.to_owned(), after_hold_id };
        let answer = self
            .ask(service, request, async |mut client, request| client.get_standing_hold_ids(request).await);
        Ok(answer.await?.hold_ids.iter().filter_map(|id| Uuid::parse_str(id).ok()).collect())
    }

    /// Corrects in one service, for some seconds.
    pub(crate) async fn rectify(
        &self,
        service: &str,
        request: RectifySubjectRequest,
    ) -> Result<RectifySubjectResponse, PeerError> {
        self.ask(service, request, async |mut client, request| client.rectify_subject(request).await).await
    }

    /// Enforces the retention periods of one service, for some seconds. All calls of one run name its report.
    pub(crate) async fn apply_retention(
        &self,
        service: &str,
        id: RetentionReportId,
    ) -> Result<ApplyRetentionResponse, PeerError> {
        let request = ApplyRetentionRequest { service: service.to_owned(), run_id: id.to_string() };
        self.ask(service, request, async |mut client, request| client.apply_retention(request).await).await
    }

    /// Entries of one service's audit chain, newest first.
    pub(crate) async fn audit_entries(
        &self,
        service: &str,
        request: ReadAuditChainRequest,
    ) -> Result<Vec<AuditEntry>, PeerError> {
        let answer = self.call(service, request, async |channel, request| {
            AuditChainServiceClient::new(channel).read_audit_chain(request).await
        });
        Ok(answer.await?.audit_entries)
    }

    /// Verifies the audit chain of one service.
    pub(crate) async fn verify_chain(
        &self,
        service: &str,
        request: VerifyAuditChainRequest,
    ) -> Result<VerifyAuditChainResponse, PeerError> {
        self.call(service, request, async |channel, request| {
            AuditChainServiceClient::new(channel).verify_audit_chain(request).await
        })
        .await
    }

    /// The tables with personal data of one service, and the companies that may receive it.
    pub(crate) async fn describe(&self, service: &str) -> Result<DescribeTablesResponse, PeerError> {
        let request = DescribeTablesRequest { service: service.to_owned() };
        self.ask(service, request, async |mut client, request| client.describe_tables(request).await).await
    }

    async fn ask<R, T, F>(
        &self,
        service: &str,
        request: R,
        call: impl FnOnce(PrivacyServiceClient<Peer>, Request<R>) -> F,
    ) -> Result<T, PeerError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        self.call(service, request, |channel, request| call(PrivacyServiceClient::new(channel), request))
            .await
    }

    async fn call<R, T, F>(
        &self,
        service: &str,
        request: R,
        call: impl FnOnce(Peer, Request<R>) -> F,
    ) -> Result<T, PeerError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let answer = self.chassis.ask(service, self.request_id, TIMEOUT, request, call).await;
        answer.map_err(|why| PeerError::Unanswered { service: service.to_owned(), what: why.reason() })
    }
}
