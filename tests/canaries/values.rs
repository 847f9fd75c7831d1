//! The values of the inserted rows in columns that are not personal. They are needed where PostgreSQL would refuse another value, or where
//! a service would begin to work on the row: each row describes something in the past that needs no more work.

use serde_json::{Value, json};

use super::seed::Variant;

/// Tables that declare nothing, but without whose rows others cannot be.
pub(super) const NEEDED: &[&str] = &["billing.order_events", "support.inbound_mails"];

/// The values of a table, named `service.table`. `now`, `later` and `before` are instants.
pub(super) fn values(table: &str, variant: Variant) -> Value {
    let table = match table.split_once(".runtime.") {
        Some((_, table)) => format!("runtime.{table}"),
        None => table.to_owned(),
    };
    match table.split('.').next() {
        Some("billing") => of_billing(&table),
        Some("notifications") => of_notifications(&table),
        Some("support") => of_support(&table, variant),
        Some("compliance") => of_compliance(&table),
        _ => of_runtime(&table, variant),
    }
}

/// Further links of a table: the column, and the table and the column that it refers to.
pub(super) fn links(table: &str) -> &'static [(&'static str, &'static str, &'static str)] {
    match table {
        "order_events" | "order_flows" | "order_agreements" => &[("order_id", "orders", "order_id")],
        "withdrawal_refunds" => &[("refund_id", "refunds", "refund_id")],
        "delivery_attempts" | "delivery_reports" => &[("message_id", "messages", "message_id")],
        "operator_deliveries" => &[("operator_notice_id", "operator_notices", "operator_notice_id")],
        "inbound_mails" | "complaints" => &[("ticket_id", "tickets", "ticket_id")],
        "ticket_files" => &[("inbound_mail_id", "inbound_mails", "inbound_mail_id")],
        "article_versions" | "passages" | "questions" => &[("article_id", "articles", "article_id")],
        "model_calls" => &[("conversation_id", "turns", "conversation_id")],
        "incident_updates" => &[("incident_id", "incidents", "incident_id")],
        "data_request_codes" | "data_exports" | "erasures" | "rectifications" => {
            &[("data_request_id", "data_requests", "data_request_id")]
        }
        _ => &[],
    }
}

fn of_billing(table: &str) -> Value {
    match table {
        "billing.orders" => json!({
            "tier": "STARTER", "payment_state": "PAID", "fulfilment_state": "ENDED", "currency": "GBP",
            "amount_minor": 1, "paid_minor": 1, "revisions_left": 0, "pay_time": "now",
        }),
        "billing.order_events" => json!({"number": 1, "kind": "ENDED", "party": "SYSTEM"}),
        "billing.order_flows" => json!({"flow": "NEXT_STEPS", "end_time": "now", "end_reason": "DONE"}),
        "billing.order_notes" => json!({"number": 1}),
        "billing.order_files" => {
            json!({"uploader": "CUSTOMER", "state": "STORED", "content_type": "text/plain", "size_bytes": 1})
        }
        "billing.order_links" | "billing.subscription_links" => json!({"expire_time": "later"}),
        "billing.stripe_events" => {
            json!({"type": "customer.updated", "livemode": false, "state": "PROCESSED", "process_time": "now"})
        }
        "billing.stripe_operations" => json!({"kind": "CUSTOMER", "state": "DONE"}),
        "billing.subscriptions" => json!({
            "state": "CANCELED", "plan": "STARTER", "term": "MONTHLY", "bought_plan": "STARTER",
            "bought_term": "MONTHLY", "end_time": "now",
        }),
        "billing.refunds" => json!({
            "state": "SUCCEEDED", "currency": "GBP", "amount_minor": 1, "origin": "STAFF", "told": true,
            "made_time": "now",
        }),
        "billing.withdrawals" => {
            json!({"state": "COMPLETED", "rule": "RIGHT", "currency": "GBP", "amount_minor": 0})
        }
        "billing.disputes" => json!({"state": "LOST", "currency": "GBP"}),
        // Billing has due calls to Stripe.
        "billing.customer_deletions" | "billing.customer_redactions" => json!({"due_time": "later"}),
        _ => json!({}),
    }
}

fn of_notifications(table: &str) -> Value {
    match table {
        "notifications.messages" => json!({
            "class": "TRANSACTIONAL", "state": "SENT", "provider": "seed", "provider_message_id": "seed",
            "send_time": "now", "delivery_outcome": "DELIVERED", "delivery_outcome_time": "now",
        }),
        "notifications.provider_events" => json!({"state": "IGNORED", "settle_time": "now"}),
        "notifications.suppressions" => json!({"reason": "STAFF"}),
        "notifications.permissions" | "notifications.permission_changes" => json!({"state": "GRANTED"}),
        "notifications.delivery_attempts" => json!({"outcome": "ACCEPTED", "end_time": "now"}),
        "notifications.delivery_reports" => json!({"outcome": "DELIVERED"}),
        "notifications.operator_notices" => json!({"severity": "INFO"}),
        "notifications.operator_deliveries" => json!({"channel": "SLACK"}),
        "notifications.newsletter_subscriptions" => {
            json!({"categories": ["EDUCATIONAL_CONTENT"], "expire_time": "later", "confirm_time": "now"})
        }
        _ => json!({}),
    }
}

fn of_support(table: &str, variant: Variant) -> Value {
    match table {
        "support.tickets" => json!({"state": "CLOSED", "plan": "STARTER", "origin": "CUSTOMER"}),
        "support.ticket_messages" => json!({"party": "CUSTOMER"}),
        "support.inbound_mails" => json!({"verdict": "ACCEPTED"}),
        "support.ticket_files" => json!({"state": "STORED", "content_type": "text/plain", "size_bytes": 1}),
        // A conversation without an account belongs to the person who has its token.
        "support.conversations" if variant == Variant::Guest => {
            json!({"state": "WITH_ASSISTANT", "token_hash": format!("\\x{:064x}", 7)})
        }
        "support.conversations" => json!({"state": "WITH_ASSISTANT"}),
        "support.turns" => json!({"outcome": "NOT_KNOWN"}),
        "support.leads" => json!({"kind": "SALES"}),
        "support.incidents" => json!({"kind": "INCIDENT", "state": "RESOLVED", "end_time": "now"}),
        "support.surveys" => json!({"score": 5, "answer_time": "now"}),
        "support.status_subscribers" => json!({"confirm_time": "now"}),
        "support.articles" => json!({"origin": "STAFF", "state": "PUBLISHED"}),
        "support.article_versions" => json!({"origin": "STAFF"}),
        "support.model_calls" => json!({"outcome": "ANSWERED"}),
        "support.complaints" => json!({"category": "OTHER"}),
        "support.component_days" => json!({"component": "BILLING"}),
        _ => json!({}),
    }
}

fn of_compliance(table: &str) -> Value {
    match table {
        // A person may make one request a day.
        "compliance.data_requests" => json!({
            "entitlement": "RECTIFICATION", "origin": "ACCOUNT", "state": "DONE", "create_time": "before",
            "due_time": "later", "finish_time": "now",
        }),
        "compliance.declarations" => {
            json!({"kind": "CONSENT", "scope": "COOKIES_ANALYTICS", "text_sha256": ""})
        }
        // One with its outcome: an erasure would wait for an open complaint.
        "compliance.privacy_complaints" => json!({
            "origin": "ACCOUNT", "state": "ANSWERED", "acknowledge_time": "now", "answer_time": "now",
        }),
        "compliance.placed_holds" => {
            json!({"kind": "LEGAL_HOLD", "state": "RELEASED", "release_time": "now"})
        }
        "compliance.data_request_codes" => json!({"purpose": "CONFIRMATION"}),
        "compliance.data_exports" => json!({"state": "DELETED"}),
        "compliance.erasures" => json!({"step": "APPROVED"}),
        "compliance.audit_checks" => json!({"state": "WHOLE", "broken_sequence": 0}),
        "compliance.retention_reports" => json!({"state": "COMPLETE"}),
        "compliance.legal_documents" => json!({"kind": "TERMS", "text_sha256": format!("{:064x}", 7)}),
        "compliance.breaches" => json!({"state": "OPEN"}),
        _ => json!({}),
    }
}

fn of_runtime(table: &str, variant: Variant) -> Value {
    match (table, variant) {
        ("runtime.work", _) => {
            json!({"rpc": "levqor.mail.v1.MailService/SendMessage", "due_time": "later"})
        }
        ("runtime.idempotency_records", _) => {
            json!({"rpc": "levqor.mail.v1.MailService/SendMessage", "expire_time": "later"})
        }
        ("runtime.holds", Variant::Claimed) => {
            json!({"kind": "LEGAL_HOLD", "email": null, "stripe_customer": null})
        }
        ("runtime.holds", Variant::Guest) => {
            json!({"kind": "LEGAL_HOLD", "owner_sub": null, "stripe_customer": null})
        }
        ("runtime.holds", Variant::Payer) => json!({"kind": "LEGAL_HOLD", "owner_sub": null, "email": null}),
        // A row is about an id or about an address.
        ("runtime.objections", Variant::Claimed) => json!({"scope": "ANALYTICS", "email": null}),
        ("runtime.objections", Variant::Guest) => json!({"scope": "ANALYTICS", "owner_sub": null}),
        _ => json!({}),
    }
}
