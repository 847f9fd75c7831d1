//! The RPCs of compliance: two lines and one file each.

mod accept_data_request;
mod accept_legal_document;
mod acknowledge_privacy_complaint;
mod announce_legal_document;
mod answer_privacy_complaint;
mod approve_erasure;
mod build_data_export;
mod cancel_data_request;
mod check_audit_chains;
mod close_breach;
mod confirm_data_request;
mod confirm_privacy_request;
mod count_acceptances;
mod create_breach;
mod create_data_request;
mod create_mailed_data_request;
mod create_privacy_complaint;
mod download_copy;
mod download_data_export;
mod download_data_request_evidence;
mod download_linked_data_export;
mod enforce_retention;
mod enter_consent_withdrawal;
mod enter_data_request;
mod enter_objection;
mod enter_privacy_complaint;
mod exempt_breach;
mod extend_data_request;
mod get_breach;
mod get_consent_state;
mod get_copy_page;
mod get_data_request;
mod get_erasure_preview;
mod get_legal_document;
mod get_objections;
mod get_pending_acceptances;
mod get_privacy_complaint;
mod get_privacy_page;
mod get_processing_record;
mod get_processing_record_page;
mod ingest_acceptance;
mod ingest_permission_change;
mod ingest_privacy_complaint;
mod lift_restriction;
mod list_acceptances;
mod list_audit_entries;
mod list_breaches;
mod list_consents;
mod list_data_requests;
mod list_legal_documents;
mod list_legal_holds;
mod list_objections;
mod list_privacy_complaints;
mod list_restrictions;
mod list_retention_reports;
mod place_legal_hold;
mod publish_legal_document;
mod record_consent;
mod record_people_notice;
mod record_regulator_notice;
mod refuse_data_request;
mod release_legal_hold;
mod request_privacy_code;
mod run_erasure;
mod run_rectification;
mod screen_text;
mod send_copy_code;
mod send_export_code;
mod set_objection;
mod spread_hold;
mod sweep_data_requests;
mod tell_privacy_complaint_progress;
mod update_breach;
mod verify_audit_chains;

use std::sync::Arc;

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_compliance::v1::{
    self as wire, audit_service_server::AuditService, breach_service_server::BreachService,
    consent_ledger_service_server::ConsentLedgerService, data_request_service_server::DataRequestService,
    legal_document_service_server::LegalDocumentService, legal_hold_service_server::LegalHoldService,
    objection_service_server::ObjectionService, privacy_complaint_service_server::PrivacyComplaintService,
    privacy_page_service_server::PrivacyPageService, record_service_server::RecordService,
    restriction_service_server::RestrictionService,
};
use levqor_proto_law::v1::{self as law, law_service_server::LawService};
use levqor_runtime::rpcs;

use crate::Compliance;

/// The tonic adapter.
#[derive(Clone)]
pub(crate) struct Rpc(pub(crate) Arc<Compliance>);

rpcs! {
    impl DataRequestService for Rpc {
        create_data_request(wire::CreateDataRequestRequest) -> wire::CreateDataRequestResponse;
        create_mailed_data_request(wire::CreateMailedDataRequestRequest) -> wire::CreateMailedDataRequestResponse;
        confirm_data_request(wire::ConfirmDataRequestRequest) -> wire::ConfirmDataRequestResponse;
        get_data_request(wire::GetDataRequestRequest) -> wire::GetDataRequestResponse;
        list_data_requests(wire::ListDataRequestsRequest) -> wire::ListDataRequestsResponse;
        get_erasure_preview(wire::GetErasurePreviewRequest) -> wire::GetErasurePreviewResponse;
        approve_erasure(wire::ApproveErasureRequest) -> wire::ApproveErasureResponse;
        accept_data_request(wire::AcceptDataRequestRequest) -> wire::AcceptDataRequestResponse;
        enter_data_request(wire::EnterDataRequestRequest) -> wire::EnterDataRequestResponse;
        extend_data_request(wire::ExtendDataRequestRequest) -> wire::ExtendDataRequestResponse;
        refuse_data_request(wire::RefuseDataRequestRequest) -> wire::RefuseDataRequestResponse;
        cancel_data_request(wire::CancelDataRequestRequest) -> wire::CancelDataRequestResponse;
        send_export_code(wire::SendExportCodeRequest) -> wire::SendExportCodeResponse;
        build_data_export(wire::BuildDataExportRequest) -> wire::BuildDataExportResponse;
        run_erasure(wire::RunErasureRequest) -> wire::RunErasureResponse;
        run_rectification(wire::RunRectificationRequest) -> wire::RunRectificationResponse;
        sweep_data_requests(wire::SweepDataRequestsRequest) -> wire::SweepDataRequestsResponse;
        enforce_retention(wire::EnforceRetentionRequest) -> wire::EnforceRetentionResponse;
    }
    streams {
        download_data_export(wire::DownloadDataExportRequest) -> HttpBody;
        download_data_request_evidence(wire::DownloadDataRequestEvidenceRequest) -> HttpBody;
        download_linked_data_export(wire::DownloadLinkedDataExportRequest) -> HttpBody;
    }
}

rpcs! {
    impl AuditService for Rpc {
        list_audit_entries(wire::ListAuditEntriesRequest) -> wire::ListAuditEntriesResponse;
        verify_audit_chains(wire::VerifyAuditChainsRequest) -> wire::VerifyAuditChainsResponse;
        check_audit_chains(wire::CheckAuditChainsRequest) -> wire::CheckAuditChainsResponse;
    }
}

rpcs! {
    impl ConsentLedgerService for Rpc {
        record_consent(wire::RecordConsentRequest) -> wire::RecordConsentResponse;
        enter_consent_withdrawal(wire::EnterConsentWithdrawalRequest) -> wire::EnterConsentWithdrawalResponse;
        get_consent_state(wire::GetConsentStateRequest) -> wire::GetConsentStateResponse;
        list_consents(wire::ListConsentsRequest) -> wire::ListConsentsResponse;
    }
}

rpcs! {
    impl RecordService for Rpc {
        get_processing_record(wire::GetProcessingRecordRequest) -> wire::GetProcessingRecordResponse;
        get_processing_record_page(wire::GetProcessingRecordPageRequest) -> HttpBody;
        list_retention_reports(wire::ListRetentionReportsRequest) -> wire::ListRetentionReportsResponse;
    }
}

rpcs! {
    impl LegalDocumentService for Rpc {
        list_legal_documents(wire::ListLegalDocumentsRequest) -> wire::ListLegalDocumentsResponse;
        get_legal_document(wire::GetLegalDocumentRequest) -> wire::GetLegalDocumentResponse;
        publish_legal_document(wire::PublishLegalDocumentRequest) -> wire::PublishLegalDocumentResponse;
        accept_legal_document(wire::AcceptLegalDocumentRequest) -> wire::AcceptLegalDocumentResponse;
        get_pending_acceptances(wire::GetPendingAcceptancesRequest) -> wire::GetPendingAcceptancesResponse;
        count_acceptances(wire::CountAcceptancesRequest) -> wire::CountAcceptancesResponse;
        list_acceptances(wire::ListAcceptancesRequest) -> wire::ListAcceptancesResponse;
        announce_legal_document(wire::AnnounceLegalDocumentRequest) -> wire::AnnounceLegalDocumentResponse;
    }
}

rpcs! {
    impl PrivacyPageService for Rpc {
        get_privacy_page(wire::GetPrivacyPageRequest) -> HttpBody;
        request_privacy_code(wire::RequestPrivacyCodeRequest) -> HttpBody;
        confirm_privacy_request(wire::ConfirmPrivacyRequestRequest) -> HttpBody;
        get_copy_page(wire::GetCopyPageRequest) -> HttpBody;
        send_copy_code(wire::SendCopyCodeRequest) -> HttpBody;
    }
    streams {
        download_copy(wire::DownloadCopyRequest) -> HttpBody;
    }
}

rpcs! {
    impl ObjectionService for Rpc {
        set_objection(wire::SetObjectionRequest) -> wire::SetObjectionResponse;
        enter_objection(wire::EnterObjectionRequest) -> wire::EnterObjectionResponse;
        get_objections(wire::GetObjectionsRequest) -> wire::GetObjectionsResponse;
        list_objections(wire::ListObjectionsRequest) -> wire::ListObjectionsResponse;
    }
}

rpcs! {
    impl BreachService for Rpc {
        create_breach(wire::CreateBreachRequest) -> wire::CreateBreachResponse;
        get_breach(wire::GetBreachRequest) -> wire::GetBreachResponse;
        list_breaches(wire::ListBreachesRequest) -> wire::ListBreachesResponse;
        update_breach(wire::UpdateBreachRequest) -> wire::UpdateBreachResponse;
        record_regulator_notice(wire::RecordRegulatorNoticeRequest) -> wire::RecordRegulatorNoticeResponse;
        exempt_breach(wire::ExemptBreachRequest) -> wire::ExemptBreachResponse;
        record_people_notice(wire::RecordPeopleNoticeRequest) -> wire::RecordPeopleNoticeResponse;
        close_breach(wire::CloseBreachRequest) -> wire::CloseBreachResponse;
    }
}

rpcs! {
    impl LegalHoldService for Rpc {
        place_legal_hold(wire::PlaceLegalHoldRequest) -> wire::PlaceLegalHoldResponse;
        list_legal_holds(wire::ListLegalHoldsRequest) -> wire::ListLegalHoldsResponse;
        release_legal_hold(wire::ReleaseLegalHoldRequest) -> wire::ReleaseLegalHoldResponse;
        spread_hold(wire::SpreadHoldRequest) -> wire::SpreadHoldResponse;
    }
}

rpcs! {
    impl PrivacyComplaintService for Rpc {
        create_privacy_complaint(wire::CreatePrivacyComplaintRequest) -> wire::CreatePrivacyComplaintResponse;
        enter_privacy_complaint(wire::EnterPrivacyComplaintRequest) -> wire::EnterPrivacyComplaintResponse;
        get_privacy_complaint(wire::GetPrivacyComplaintRequest) -> wire::GetPrivacyComplaintResponse;
        list_privacy_complaints(wire::ListPrivacyComplaintsRequest) -> wire::ListPrivacyComplaintsResponse;
        acknowledge_privacy_complaint(wire::AcknowledgePrivacyComplaintRequest) -> wire::AcknowledgePrivacyComplaintResponse;
        tell_privacy_complaint_progress(wire::TellPrivacyComplaintProgressRequest) -> wire::TellPrivacyComplaintProgressResponse;
        answer_privacy_complaint(wire::AnswerPrivacyComplaintRequest) -> wire::AnswerPrivacyComplaintResponse;
    }
}

rpcs! {
    impl RestrictionService for Rpc {
        list_restrictions(wire::ListRestrictionsRequest) -> wire::ListRestrictionsResponse;
        lift_restriction(wire::LiftRestrictionRequest) -> wire::LiftRestrictionResponse;
    }
}

rpcs! {
    impl LawService for Rpc {
        ingest_permission_change(law::IngestPermissionChangeRequest) -> law::IngestPermissionChangeResponse;
        ingest_acceptance(law::IngestAcceptanceRequest) -> law::IngestAcceptanceResponse;
        ingest_privacy_complaint(law::IngestPrivacyComplaintRequest) -> law::IngestPrivacyComplaintResponse;
        screen_text(law::ScreenTextRequest) -> law::ScreenTextResponse;
    }
}
