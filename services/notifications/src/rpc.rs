//! What this service can do: one line and one file per RPC.

pub(crate) mod deliver_message;
mod get_message;
mod get_message_preview;
mod list_messages;
mod resolve_message;
mod send_message;

use std::sync::Arc;

use levqor_proto::{
    google::api::HttpBody,
    notifications::v1::{
        DeliverMessageRequest, DeliverMessageResponse, GetMessagePreviewRequest, GetMessageRequest,
        GetMessageResponse, ListMessagesRequest, ListMessagesResponse, ResolveMessageRequest,
        ResolveMessageResponse, SendMessageRequest, SendMessageResponse,
        notifications_service_server::NotificationsService,
    },
};
use levqor_runtime::rpc::call;
use tonic::{Request, Response, Status};

use crate::Notifications;

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
}
