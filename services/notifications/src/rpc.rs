//! What this service can do: one line and one file per RPC.

pub(crate) mod apply_provider_event;
pub(crate) mod deliver_message;
mod get_message;
mod get_message_preview;
mod get_provider_event;
mod ingest_resend_event;
mod list_messages;
mod list_provider_events;
mod purge_provider_event_bodies;
mod resend_message;
mod resolve_message;
mod send_message;

use std::sync::Arc;

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_notifications::v1::{
    ApplyProviderEventRequest, ApplyProviderEventResponse, DeliverMessageRequest, DeliverMessageResponse,
    GetMessagePreviewRequest, GetMessageRequest, GetMessageResponse, GetProviderEventRequest,
    GetProviderEventResponse, IngestResendEventRequest, IngestResendEventResponse, ListMessagesRequest,
    ListMessagesResponse, ListProviderEventsRequest, ListProviderEventsResponse,
    PurgeProviderEventBodiesRequest, PurgeProviderEventBodiesResponse, ResendMessageRequest,
    ResendMessageResponse, ResolveMessageRequest, ResolveMessageResponse, SendMessageRequest,
    SendMessageResponse, notifications_service_server::NotificationsService,
};
use levqor_runtime::rpc::call;
use tonic::{Request, Response, Status};

use crate::Notifications;

pub(crate) use ingest_resend_event::ingest_resend_event;

/// The service as gRPC sees it.
pub(crate) struct Rpc(pub(crate) Arc<Notifications>);

#[tonic::async_trait]
impl NotificationsService for Rpc {
    async fn send_message(
        &self,
        request: Request<SendMessageRequest>,
    ) -> Result<Response<SendMessageResponse>, Status> {
        call(&self.0, request, send_message::send_message).await
    }

    async fn deliver_message(
        &self,
        request: Request<DeliverMessageRequest>,
    ) -> Result<Response<DeliverMessageResponse>, Status> {
        call(&self.0, request, deliver_message::deliver_message).await
    }

    async fn get_message(
        &self,
        request: Request<GetMessageRequest>,
    ) -> Result<Response<GetMessageResponse>, Status> {
        call(&self.0, request, get_message::get_message).await
    }

    async fn list_messages(
        &self,
        request: Request<ListMessagesRequest>,
    ) -> Result<Response<ListMessagesResponse>, Status> {
        call(&self.0, request, list_messages::list_messages).await
    }

    async fn get_message_preview(
        &self,
        request: Request<GetMessagePreviewRequest>,
    ) -> Result<Response<HttpBody>, Status> {
        call(&self.0, request, get_message_preview::get_message_preview).await
    }

    async fn resolve_message(
        &self,
        request: Request<ResolveMessageRequest>,
    ) -> Result<Response<ResolveMessageResponse>, Status> {
        call(&self.0, request, resolve_message::resolve_message).await
    }

    async fn resend_message(
        &self,
        request: Request<ResendMessageRequest>,
    ) -> Result<Response<ResendMessageResponse>, Status> {
        call(&self.0, request, resend_message::resend_message).await
    }

    async fn ingest_resend_event(
        &self,
        request: Request<IngestResendEventRequest>,
    ) -> Result<Response<IngestResendEventResponse>, Status> {
        call(&self.0, request, ingest_resend_event::ingest_resend_event).await
    }

    async fn apply_provider_event(
        &self,
        request: Request<ApplyProviderEventRequest>,
    ) -> Result<Response<ApplyProviderEventResponse>, Status> {
        call(&self.0, request, apply_provider_event::apply_provider_event).await
    }

    async fn get_provider_event(
        &self,
        request: Request<GetProviderEventRequest>,
    ) -> Result<Response<GetProviderEventResponse>, Status> {
        call(&self.0, request, get_provider_event::get_provider_event).await
    }

    async fn list_provider_events(
        &self,
        request: Request<ListProviderEventsRequest>,
    ) -> Result<Response<ListProviderEventsResponse>, Status> {
        call(&self.0, request, list_provider_events::list_provider_events).await
    }

    async fn purge_provider_event_bodies(
        &self,
        request: Request<PurgeProviderEventBodiesRequest>,
    ) -> Result<Response<PurgeProviderEventBodiesResponse>, Status> {
        call(&self.0, request, purge_provider_event_bodies::purge_provider_event_bodies).await
    }
}
