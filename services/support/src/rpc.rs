//! The RPCs of support: two lines and one file each.

mod add_ticket_note;
mod answer_complaint;
mod answer_survey;
mod assign_ticket;
mod confirm_status_subscription;
mod create_article;
mod create_canned_reply;
mod create_complaint;
mod create_connector_lead;
mod create_conversation;
mod create_guide_lead;
mod create_incident;
mod create_kickoff_lead;
mod create_sales_lead;
mod create_status_subscription;
mod create_ticket;
mod delete_canned_reply;
mod download_ticket_file;
mod end_status_subscription;
pub(crate) mod fetch_ticket_file;
mod get_article;
mod get_conversation;
mod get_customer_overview;
mod get_form_token;
mod get_public_status;
mod get_status_confirmation;
mod get_status_unsubscription;
mod get_survey;
mod get_ticket;
mod hold_ticket;
mod ingest_inbound_mail;
mod list_articles;
mod list_canned_replies;
mod list_complaints;
mod list_conversations;
mod list_incidents;
mod list_leads;
mod list_tickets;
mod mark_ticket_spam;
mod measure_components;
mod merge_ticket;
mod post_message;
mod publish_article;
mod publish_incident;
mod reopen_ticket;
mod reply_ticket;
mod report_emergency;
mod request_person;
mod return_conversation;
mod search_articles;
mod solve_ticket;
mod stream_message;
mod sweep_tickets;
mod take_conversation;
mod take_lead_step;
mod tell_status_subscribers;
mod unpublish_article;
mod update_article;
mod update_canned_reply;
mod update_incident;

use std::sync::Arc;

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_inbound::v1::{self as inbound, inbound_mail_service_server::InboundMailService};
use levqor_proto_support::v1::{
    self as wire, article_service_server::ArticleService, canned_reply_service_server::CannedReplyService,
    complaint_service_server::ComplaintService, conversation_service_server::ConversationService,
    customer_service_server::CustomerService, incident_service_server::IncidentService,
    lead_service_server::LeadService, status_subscription_service_server::StatusSubscriptionService,
    survey_service_server::SurveyService, ticket_service_server::TicketService,
};
use levqor_runtime::rpcs;

use crate::Support;

/// The tonic adapter.
#[derive(Clone)]
pub(crate) struct Rpc(pub(crate) Arc<Support>);

rpcs! {
    impl ConversationService for Rpc {
        create_conversation(wire::CreateConversationRequest) -> wire::CreateConversationResponse;
        post_message(wire::PostMessageRequest) -> wire::PostMessageResponse;
        request_person(wire::RequestPersonRequest) -> wire::RequestPersonResponse;
        get_conversation(wire::GetConversationRequest) -> wire::GetConversationResponse;
        list_conversations(wire::ListConversationsRequest) -> wire::ListConversationsResponse;
        take_conversation(wire::TakeConversationRequest) -> wire::TakeConversationResponse;
        return_conversation(wire::ReturnConversationRequest) -> wire::ReturnConversationResponse;
    }
    streams {
        stream_message(wire::StreamMessageRequest) -> wire::StreamMessageResponse;
    }
}

rpcs! {
    impl ArticleService for Rpc {
        get_article(wire::GetArticleRequest) -> wire::GetArticleResponse;
        list_articles(wire::ListArticlesRequest) -> wire::ListArticlesResponse;
        search_articles(wire::SearchArticlesRequest) -> wire::SearchArticlesResponse;
        create_article(wire::CreateArticleRequest) -> wire::CreateArticleResponse;
        update_article(wire::UpdateArticleRequest) -> wire::UpdateArticleResponse;
        publish_article(wire::PublishArticleRequest) -> wire::PublishArticleResponse;
        unpublish_article(wire::UnpublishArticleRequest) -> wire::UnpublishArticleResponse;
    }
}

rpcs! {
    impl TicketService for Rpc {
        create_ticket(wire::CreateTicketRequest) -> wire::CreateTicketResponse;
        get_ticket(wire::GetTicketRequest) -> wire::GetTicketResponse;
        list_tickets(wire::ListTicketsRequest) -> wire::ListTicketsResponse;
        reply_ticket(wire::ReplyTicketRequest) -> wire::ReplyTicketResponse;
        solve_ticket(wire::SolveTicketRequest) -> wire::SolveTicketResponse;
        reopen_ticket(wire::ReopenTicketRequest) -> wire::ReopenTicketResponse;
        add_ticket_note(wire::AddTicketNoteRequest) -> wire::AddTicketNoteResponse;
        assign_ticket(wire::AssignTicketRequest) -> wire::AssignTicketResponse;
        hold_ticket(wire::HoldTicketRequest) -> wire::HoldTicketResponse;
        merge_ticket(wire::MergeTicketRequest) -> wire::MergeTicketResponse;
        mark_ticket_spam(wire::MarkTicketSpamRequest) -> wire::MarkTicketSpamResponse;
        fetch_ticket_file(wire::FetchTicketFileRequest) -> wire::FetchTicketFileResponse;
        sweep_tickets(wire::SweepTicketsRequest) -> wire::SweepTicketsResponse;
    }
    streams {
        download_ticket_file(wire::DownloadTicketFileRequest) -> HttpBody;
    }
}

rpcs! {
    impl InboundMailService for Rpc {
        ingest_inbound_mail(inbound::IngestInboundMailRequest) -> inbound::IngestInboundMailResponse;
    }
}

rpcs! {
    impl LeadService for Rpc {
        get_form_token(wire::GetFormTokenRequest) -> wire::GetFormTokenResponse;
        create_sales_lead(wire::CreateSalesLeadRequest) -> wire::CreateSalesLeadResponse;
        create_kickoff_lead(wire::CreateKickoffLeadRequest) -> wire::CreateKickoffLeadResponse;
        create_guide_lead(wire::CreateGuideLeadRequest) -> wire::CreateGuideLeadResponse;
        create_connector_lead(wire::CreateConnectorLeadRequest) -> wire::CreateConnectorLeadResponse;
        list_leads(wire::ListLeadsRequest) -> wire::ListLeadsResponse;
        take_lead_step(wire::TakeLeadStepRequest) -> wire::TakeLeadStepResponse;
    }
}

rpcs! {
    impl ComplaintService for Rpc {
        create_complaint(wire::CreateComplaintRequest) -> wire::CreateComplaintResponse;
        list_complaints(wire::ListComplaintsRequest) -> wire::ListComplaintsResponse;
        answer_complaint(wire::AnswerComplaintRequest) -> wire::AnswerComplaintResponse;
    }
}

rpcs! {
    impl IncidentService for Rpc {
        report_emergency(wire::ReportEmergencyRequest) -> wire::ReportEmergencyResponse;
        create_incident(wire::CreateIncidentRequest) -> wire::CreateIncidentResponse;
        publish_incident(wire::PublishIncidentRequest) -> wire::PublishIncidentResponse;
        update_incident(wire::UpdateIncidentRequest) -> wire::UpdateIncidentResponse;
        list_incidents(wire::ListIncidentsRequest) -> wire::ListIncidentsResponse;
        get_public_status(wire::GetPublicStatusRequest) -> wire::GetPublicStatusResponse;
        measure_components(wire::MeasureComponentsRequest) -> wire::MeasureComponentsResponse;
    }
}

rpcs! {
    impl SurveyService for Rpc {
        get_survey(wire::GetSurveyRequest) -> HttpBody;
        answer_survey(wire::AnswerSurveyRequest) -> HttpBody;
    }
}

rpcs! {
    impl CannedReplyService for Rpc {
        create_canned_reply(wire::CreateCannedReplyRequest) -> wire::CreateCannedReplyResponse;
        list_canned_replies(wire::ListCannedRepliesRequest) -> wire::ListCannedRepliesResponse;
        update_canned_reply(wire::UpdateCannedReplyRequest) -> wire::UpdateCannedReplyResponse;
        delete_canned_reply(wire::DeleteCannedReplyRequest) -> wire::DeleteCannedReplyResponse;
    }
}

rpcs! {
    impl CustomerService for Rpc {
        get_customer_overview(wire::GetCustomerOverviewRequest) -> wire::GetCustomerOverviewResponse;
    }
}

rpcs! {
    impl StatusSubscriptionService for Rpc {
        create_status_subscription(wire::CreateStatusSubscriptionRequest) -> wire::CreateStatusSubscriptionResponse;
        get_status_confirmation(wire::GetStatusConfirmationRequest) -> HttpBody;
        confirm_status_subscription(wire::ConfirmStatusSubscriptionRequest) -> HttpBody;
        get_status_unsubscription(wire::GetStatusUnsubscriptionRequest) -> HttpBody;
        end_status_subscription(wire::EndStatusSubscriptionRequest) -> HttpBody;
        tell_status_subscribers(wire::TellStatusSubscribersRequest) -> wire::TellStatusSubscribersResponse;
    }
}
