//! The RPCs of this service: one line and one file each.

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
use levqor_proto_mail::v1::{self as mail, mail_service_server::MailService};
use levqor_proto_notifications::v1::{self as wire, notifications_service_server::NotificationsService};
use levqor_runtime::rpcs;

use crate::Notifications;

pub(crate) use ingest_resend_event::ingest_resend_event;

/// The tonic adapter.
pub(crate) struct Rpc(pub(crate) Arc<Notifications>);

rpcs! {
    impl NotificationsService for Rpc {
        deliver_message(wire::DeliverMessageRequest) -> wire::DeliverMessageResponse;
        get_message(wire::GetMessageRequest) -> wire::GetMessageResponse;
        list_messages(wire::ListMessagesRequest) -> wire::ListMessagesResponse;
        get_message_preview(wire::GetMessagePreviewRequest) -> HttpBody;
        resolve_message(wire::ResolveMessageRequest) -> wire::ResolveMessageResponse;
        resend_message(wire::ResendMessageRequest) -> wire::ResendMessageResponse;
        ingest_resend_event(wire::IngestResendEventRequest) -> wire::IngestResendEventResponse;
        apply_provider_event(wire::ApplyProviderEventRequest) -> wire::ApplyProviderEventResponse;
        get_provider_event(wire::GetProviderEventRequest) -> wire::GetProviderEventResponse;
        list_provider_events(wire::ListProviderEventsRequest) -> wire::ListProviderEventsResponse;
        purge_provider_event_bodies(wire::PurgeProviderEventBodiesRequest) -> wire::PurgeProviderEventBodiesResponse;
    }
}

rpcs! {
    impl MailService for Rpc {
        send_message(mail::SendMessageRequest) -> mail::SendMessageResponse;
    }
}
