//! `AddSuppression`: staff suppress an address, once for each reason. The audit names the person.

use levqor_proto_notifications::v1::{AddSuppressionRequest, Suppression, SuppressionReason, message::State};
use levqor_runtime::testing::Caller;
use sqlx::Row;
use tonic::Status;

use crate::{Notified, reason, refused, violated, welcome};

impl Notified {
    pub(crate) async fn suppress_as(
        &self,
        key: &str,
        request: AddSuppressionRequest,
    ) -> Result<Suppression, Status> {
        let staff = Caller::staff().with_key(key);
        let answer = self.client().add_suppression(staff.request(request)).await?.into_inner();
        Ok(answer.suppression.expect("a suppression"))
    }

    /// The audit entries about suppressions, the oldest first.
    pub(crate) async fn audited_suppressions(&self) -> Vec<(String, String)> {
        let sql = "SELECT action, ids ->> 'suppression_id' FROM runtime.audit_entries
                   WHERE action LIKE 'suppression.%' ORDER BY sequence";
        let rows = sqlx::query(sql).fetch_all(self.service.db.pool()).await.expect("entries");
        rows.into_iter().map(|row| (row.get(0), row.get(1))).collect()
    }
}

/// A request to suppress this address, for the reason STAFF.
pub(crate) fn of(recipient: &str) -> AddSuppressionRequest {
    AddSuppressionRequest {
        recipient: recipient.to_owned(),
        evidence: "ticket:12".to_owned(),
        ..AddSuppressionRequest::default()
    }
}

#[tokio::test]
async fn a_suppressed_address_gets_no_mail() {
    let notified = Notified::start().await;
    let suppression = notified.suppress_as("a", of("Ada@Example.com")).await.expect("suppressed");
    assert_eq!(suppression.recipient, "ada@example.com");
    assert_eq!(
        (suppression.reason(), suppression.evidence.as_str()),
        (SuppressionReason::Staff, "ticket:12")
    );
    let id = notified.send("b", welcome("1", "ada@example.com")).await.expect("stored").message_id;
    let message = notified.message(&id).await;
    assert_eq!((message.state(), message.suppression()), (State::Suppressed, SuppressionReason::Staff));
    assert_eq!(notified.deliver(&id).await.expect("an answer"), State::Suppressed);
    notified.sent("c", welcome("1", "bob@example.com")).await;
    let audited = notified.audited_suppressions().await;
    assert_eq!(audited, [("suppression.add".to_owned(), suppression.suppression_id)]);
}

#[tokio::test]
async fn a_suppression_for_the_same_reason_is_renewed() {
    let notified = Notified::start().await;
    let first = notified.suppress_as("a", of("ada@example.com")).await.expect("suppressed");
    let until_time = Some(prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 });
    let request = AddSuppressionRequest { until_time, evidence: String::new(), ..of("ada@example.com") };
    let again = notified.suppress_as("b", request).await.expect("suppressed");
    assert_eq!((&again.suppression_id, again.until_time), (&first.suppression_id, until_time));
    let bounced =
        AddSuppressionRequest { reason: SuppressionReason::HardBounce.into(), ..of("ada@example.com") };
    let other = notified.suppress_as("c", bounced).await.expect("suppressed");
    assert_ne!(other.suppression_id, first.suppression_id);
    assert_eq!(notified.count("suppressions").await, 2);
}

#[tokio::test]
async fn an_invalid_suppression_is_refused() {
    let notified = Notified::start().await;
    let wrong = AddSuppressionRequest {
        recipient: "ada".to_owned(),
        reason: SuppressionReason::NoPermission.into(),
        evidence: "she said so".to_owned(),
        until_time: None,
    };
    let status = refused(notified.suppress_as("a", wrong).await);
    assert_eq!(violated(&status), ["recipient", "reason", "evidence"]);
    let until_time = Some(prost_types::Timestamp { seconds: 0, nanos: 0 });
    let over = AddSuppressionRequest { until_time, ..of("ada@example.com") };
    assert_eq!(violated(&refused(notified.suppress_as("b", over).await)), ["until_time"]);
    let request = Caller::staff().request(of("ada@example.com"));
    let status = refused(notified.client().add_suppression(request).await);
    assert_eq!(reason(&status), "IDEMPOTENCY_KEY_INVALID");
    assert_eq!(notified.count("suppressions").await, 0);
}
