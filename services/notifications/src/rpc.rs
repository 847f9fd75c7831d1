//! The RPCs of notifications: two lines and one file each.

mod add_suppression;
mod apply_permission;
pub(crate) mod apply_provider_event;
mod check_recipient;
mod confirm_newsletter_subscription;
mod create_newsletter_subscription;
pub(crate) mod deliver_message;
pub(crate) mod deliver_operator_notice;
mod download_inbound_attachment;
mod end_operator_notice;
mod fetch_inbound_mail;
mod get_message;
mod get_message_preview;
mod get_newsletter_confirmation;
mod get_preferences;
mod get_provider_event;
mod get_template_preview;
mod get_unsubscription;
mod ingest_resend_event;
mod list_messages;
mod list_operator_notices;
mod list_provider_events;
mod list_suppressions;
mod list_templates;
mod notify_operators;
mod purge_provider_event_bodies;
mod remove_suppression;
mod resend_message;
mod resolve_message;
mod send_digest;
mod send_message;
mod sweep_delivery_outcomes;
mod unsubscribe;
mod update_preferences;

use std::sync::Arc;

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_mail::v1::{
    self as mail, mail_service_server::MailService, operator_service_server::OperatorService,
};
use levqor_proto_notifications::v1::{
    self as wire, consent_service_server::ConsentService, notifications_service_server::NotificationsService,
};
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
        fetch_inbound_mail(wire::FetchInboundMailRequest) -> wire::FetchInboundMailResponse;
        get_provider_event(wire::GetProviderEventRequest) -> wire::GetProviderEventResponse;
        list_provider_events(wire::ListProviderEventsRequest) -> wire::ListProviderEventsResponse;
        list_templates(wire::ListTemplatesRequest) -> wire::ListTemplatesResponse;
        get_template_preview(wire::GetTemplatePreviewRequest) -> HttpBody;
        list_suppressions(wire::ListSuppressionsRequest) -> wire::ListSuppressionsResponse;
        add_suppression(wire::AddSuppressionRequest) -> wire::AddSuppressionResponse;
        remove_suppression(wire::RemoveSuppressionRequest) -> wire::RemoveSuppressionResponse;
        sweep_delivery_outcomes(wire::SweepDeliveryOutcomesRequest) -> wire::SweepDeliveryOutcomesResponse;
        purge_provider_event_bodies(wire::PurgeProviderEventBodiesRequest) -> wire::PurgeProviderEventBodiesResponse;
        deliver_operator_notice(wire::DeliverOperatorNoticeRequest) -> wire::DeliverOperatorNoticeResponse;
        send_digest(wire::SendDigestRequest) -> wire::SendDigestResponse;
        list_operator_notices(wire::ListOperatorNoticesRequest) -> wire::ListOperatorNoticesResponse;
    }
}

rpcs! {
    impl MailService for Rpc {
        send_message(mail::SendMessageRequest) -> mail::SendMessageResponse;
        check_recipient(mail::CheckRecipientRequest) -> mail::CheckRecipientResponse;
    }
    streams {
        download_inbound_attachment(mail::DownloadInboundAttachmentRequest) -> HttpBody;
    }
}

rpcs! {
    impl OperatorService for Rpc {
        notify_operators(mail::NotifyOperatorsRequest) -> mail::NotifyOperatorsResponse;
        end_operator_notice(mail::EndOperatorNoticeRequest) -> mail::EndOperatorNoticeResponse;
    }
}

rpcs! {
    impl ConsentService for Rpc {
        create_newsletter_subscription(wire::CreateNewsletterSubscriptionRequest) -> wire::CreateNewsletterSubscriptionResponse;
        get_newsletter_confirmation(wire::GetNewsletterConfirmationRequest) -> HttpBody;
        confirm_newsletter_subscription(wire::ConfirmNewsletterSubscriptionRequest) -> HttpBody;
        get_unsubscription(wire::GetUnsubscriptionRequest) -> HttpBody;
        unsubscribe(wire::UnsubscribeRequest) -> HttpBody;
        get_preferences(wire::GetPreferencesRequest) -> HttpBody;
        update_preferences(wire::UpdatePreferencesRequest) -> HttpBody;
        apply_permission(wire::ApplyPermissionRequest) -> wire::ApplyPermissionResponse;
    }
}
