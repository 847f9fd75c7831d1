//! The RPCs of billing: two lines each, and one file each.

mod accept_order;
mod advance_orders;
mod cancel_subscription;
mod change_subscription;
mod check_entitlement;
mod check_purchase;
mod create_billing_portal_session;
mod create_checkout_session;
mod create_order_link;
mod create_subscription_link;
mod delete_order_file;
mod delete_stripe_customers;
mod deliver_order;
mod download_linked_order_file;
mod download_order_file;
mod finish_stripe_operations;
mod get_entitlements;
mod get_linked_order;
mod get_linked_order_withdrawal;
mod get_linked_subscription_withdrawal;
mod get_order;
mod get_order_intake;
mod get_order_withdrawal;
mod get_price_list;
mod get_stripe_event;
mod get_subscription;
mod get_subscription_withdrawal;
mod ingest_stripe_event;
mod list_orders;
mod list_refunds;
mod list_stripe_events;
mod make_refund;
mod preview_subscription_change;
mod purge_stripe_event_bodies;
mod refund_order;
mod release_order;
mod replay_stripe_event;
mod resume_subscription;
mod revise_order;
mod revoke_order_links;
mod revoke_subscription_links;
mod settle_withdrawal;
mod start_order;
mod submit_linked_order_intake;
mod submit_order_intake;
mod sweep_order_files;
mod take_flow_step;
mod update_linked_order_intake;
mod update_order_intake;
mod upload_linked_order_file;
mod upload_order_file;
mod withdraw_linked_order;
mod withdraw_linked_subscription;
mod withdraw_order;
mod withdraw_subscription;

use std::sync::Arc;

use levqor_proto_base::google::api::HttpBody;
use levqor_proto_billing::v1::{
    self as wire, billing_service_server::BillingService, checkout_service_server::CheckoutService,
    order_service_server::OrderService, refund_service_server::RefundService,
    subscription_service_server::SubscriptionService, withdrawal_service_server::WithdrawalService,
};
use levqor_runtime::rpcs;

use crate::Billing;

pub(crate) use ingest_stripe_event::ingest_stripe_event;

/// The tonic adapter.
#[derive(Clone)]
pub(crate) struct Rpc(pub(crate) Arc<Billing>);

rpcs! {
    impl BillingService for Rpc {
        ingest_stripe_event(wire::IngestStripeEventRequest) -> wire::IngestStripeEventResponse;
        get_order(wire::GetOrderRequest) -> wire::GetOrderResponse;
        list_orders(wire::ListOrdersRequest) -> wire::ListOrdersResponse;
        release_order(wire::ReleaseOrderRequest) -> wire::ReleaseOrderResponse;
        get_stripe_event(wire::GetStripeEventRequest) -> wire::GetStripeEventResponse;
        list_stripe_events(wire::ListStripeEventsRequest) -> wire::ListStripeEventsResponse;
        replay_stripe_event(wire::ReplayStripeEventRequest) -> wire::ReplayStripeEventResponse;
        purge_stripe_event_bodies(wire::PurgeStripeEventBodiesRequest) -> wire::PurgeStripeEventBodiesResponse;
    }
}

rpcs! {
    impl CheckoutService for Rpc {
        get_price_list(wire::GetPriceListRequest) -> wire::GetPriceListResponse;
        create_checkout_session(wire::CreateCheckoutSessionRequest) -> wire::CreateCheckoutSessionResponse;
        create_billing_portal_session(wire::CreateBillingPortalSessionRequest) -> wire::CreateBillingPortalSessionResponse;
        finish_stripe_operations(wire::FinishStripeOperationsRequest) -> wire::FinishStripeOperationsResponse;
        delete_stripe_customers(wire::DeleteStripeCustomersRequest) -> wire::DeleteStripeCustomersResponse;
    }
}

rpcs! {
    impl SubscriptionService for Rpc {
        get_subscription(wire::GetSubscriptionRequest) -> wire::GetSubscriptionResponse;
        preview_subscription_change(wire::PreviewSubscriptionChangeRequest) -> wire::PreviewSubscriptionChangeResponse;
        change_subscription(wire::ChangeSubscriptionRequest) -> wire::ChangeSubscriptionResponse;
        cancel_subscription(wire::CancelSubscriptionRequest) -> wire::CancelSubscriptionResponse;
        resume_subscription(wire::ResumeSubscriptionRequest) -> wire::ResumeSubscriptionResponse;
        create_subscription_link(wire::CreateSubscriptionLinkRequest) -> wire::CreateSubscriptionLinkResponse;
        revoke_subscription_links(wire::RevokeSubscriptionLinksRequest) -> wire::RevokeSubscriptionLinksResponse;
        get_entitlements(wire::GetEntitlementsRequest) -> wire::GetEntitlementsResponse;
        check_entitlement(wire::CheckEntitlementRequest) -> wire::CheckEntitlementResponse;
    }
}

rpcs! {
    impl RefundService for Rpc {
        refund_order(wire::RefundOrderRequest) -> wire::RefundOrderResponse;
        list_refunds(wire::ListRefundsRequest) -> wire::ListRefundsResponse;
        make_refund(wire::MakeRefundRequest) -> wire::MakeRefundResponse;
    }
}

rpcs! {
    impl WithdrawalService for Rpc {
        get_order_withdrawal(wire::GetOrderWithdrawalRequest) -> wire::GetOrderWithdrawalResponse;
        withdraw_order(wire::WithdrawOrderRequest) -> wire::WithdrawOrderResponse;
        get_linked_order_withdrawal(wire::GetLinkedOrderWithdrawalRequest) -> wire::GetLinkedOrderWithdrawalResponse;
        withdraw_linked_order(wire::WithdrawLinkedOrderRequest) -> wire::WithdrawLinkedOrderResponse;
        get_subscription_withdrawal(wire::GetSubscriptionWithdrawalRequest) -> wire::GetSubscriptionWithdrawalResponse;
        withdraw_subscription(wire::WithdrawSubscriptionRequest) -> wire::WithdrawSubscriptionResponse;
        get_linked_subscription_withdrawal(wire::GetLinkedSubscriptionWithdrawalRequest) -> wire::GetLinkedSubscriptionWithdrawalResponse;
        withdraw_linked_subscription(wire::WithdrawLinkedSubscriptionRequest) -> wire::WithdrawLinkedSubscriptionResponse;
        settle_withdrawal(wire::SettleWithdrawalRequest) -> wire::SettleWithdrawalResponse;
    }
}

rpcs! {
    impl OrderService for Rpc {
        get_order_intake(wire::GetOrderIntakeRequest) -> wire::GetOrderIntakeResponse;
        update_order_intake(wire::UpdateOrderIntakeRequest) -> wire::UpdateOrderIntakeResponse;
        submit_order_intake(wire::SubmitOrderIntakeRequest) -> wire::SubmitOrderIntakeResponse;
        start_order(wire::StartOrderRequest) -> wire::StartOrderResponse;
        deliver_order(wire::DeliverOrderRequest) -> wire::DeliverOrderResponse;
        revise_order(wire::ReviseOrderRequest) -> wire::ReviseOrderResponse;
        accept_order(wire::AcceptOrderRequest) -> wire::AcceptOrderResponse;
        advance_orders(wire::AdvanceOrdersRequest) -> wire::AdvanceOrdersResponse;
        take_flow_step(wire::TakeFlowStepRequest) -> wire::TakeFlowStepResponse;
        check_purchase(wire::CheckPurchaseRequest) -> wire::CheckPurchaseResponse;
        delete_order_file(wire::DeleteOrderFileRequest) -> wire::DeleteOrderFileResponse;
        sweep_order_files(wire::SweepOrderFilesRequest) -> wire::SweepOrderFilesResponse;
        create_order_link(wire::CreateOrderLinkRequest) -> wire::CreateOrderLinkResponse;
        revoke_order_links(wire::RevokeOrderLinksRequest) -> wire::RevokeOrderLinksResponse;
        get_linked_order(wire::GetLinkedOrderRequest) -> wire::GetLinkedOrderResponse;
        update_linked_order_intake(wire::UpdateLinkedOrderIntakeRequest) -> wire::UpdateLinkedOrderIntakeResponse;
        submit_linked_order_intake(wire::SubmitLinkedOrderIntakeRequest) -> wire::SubmitLinkedOrderIntakeResponse;
    }
    uploads {
        upload_order_file(wire::UploadOrderFileRequest) -> wire::UploadOrderFileResponse;
        upload_linked_order_file(wire::UploadLinkedOrderFileRequest) -> wire::UploadLinkedOrderFileResponse;
    }
    streams {
        download_order_file(wire::DownloadOrderFileRequest) -> HttpBody;
        download_linked_order_file(wire::DownloadLinkedOrderFileRequest) -> HttpBody;
    }
}
