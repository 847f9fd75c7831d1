//! `DeleteStripeCustomers`: an erasure ends with the customer at Stripe, and with a redaction if that is set up.

use chrono::TimeDelta;
use levqor_proto_billing::v1::DeleteStripeCustomersRequest;
use levqor_proto_runtime::v1::{
    CountSubjectRequest, EraseSubjectRequest, PreviewErasureRequest, Subject,
    privacy_service_client::PrivacyServiceClient,
};
use levqor_runtime::{
    client::Peer,
    testing::{Caller, eventually},
};
use serde_json::{Value, json};
use wiremock::MockServer;

use crate::support::{Bench, Shop, subscription};

const ERASURE: &str = "0190b2c4-0000-7000-8000-00000000e4a5";
const CUSTOMERS: &str = "INSERT INTO customers
    (customer_id, owner_sub, email, stripe_customer_id, create_time, update_time)
    VALUES (gen_random_uuid(), 'ada', 'ada@example.com', 'cus_1', runtime.now(), runtime.now()),
           (gen_random_uuid(), 'bob', 'bob@example.com', 'cus_2', runtime.now(), runtime.now())";
const ALL_DELETED: &str = "customer_deletions WHERE state = 'DELETED'";

/// Ada, who has been found with a customer that is Bob's too.
#[expect(clippy::unnecessary_wraps, reason = "the fields of messages are optional")]
fn subject() -> Option<Subject> {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Some(Subject {
        subs: texts(&["ada"]),
        emails: texts(&["ada@example.com"]),
        stripe_customers: texts(&["cus_1", "cus_2"]),
    })
}

fn compliance() -> Caller {
    Caller::service("compliance", "billing")
}

impl Bench {
    fn privacy(&self) -> PrivacyServiceClient<Peer> {
        PrivacyServiceClient::new(self.service.channel())
    }

    /// The tables with rows that are left of Ada.
    async fn left(&self) -> Vec<String> {
        let request = CountSubjectRequest { service: "billing".to_owned(), subject: subject() };
        let left = self.privacy().count_subject(compliance().request(request)).await.expect("counted");
        left.into_inner().left.into_iter().map(|rows| rows.table).collect()
    }

    /// Why the erasure of Ada has to wait.
    async fn obstacles(&self) -> Vec<String> {
        let request = PreviewErasureRequest { service: "billing".to_owned(), subject: subject() };
        let preview = self.privacy().preview_erasure(compliance().request(request)).await.expect("a preview");
        preview.into_inner().obstacles.into_iter().map(|it| it.reason).collect()
    }
}

impl Shop {
    /// Erases Ada, who has a customer at Stripe.
    async fn erase(&self) {
        self.bench.execute(CUSTOMERS).await;
        let request = EraseSubjectRequest {
            service: "billing".to_owned(),
            erasure_id: ERASURE.to_owned(),
            subject: subject(),
            plans: Vec::new(),
            again: true,
        };
        let erased = self.bench.privacy().erase_subject(compliance().request(request)).await;
        assert!(erased.expect("erased").into_inner().complete);
    }

    /// Makes the call of the schedule until this number of rows is there.
    async fn until(&self, rows: &str, count: i64) {
        eventually(rows, || async {
            let request = Caller::service("billing", "billing").request(DeleteStripeCustomersRequest {});
            self.checkout().delete_stripe_customers(request).await.expect("done");
            (self.bench.count(rows).await == count).then_some(())
        })
        .await;
    }

    /// Lets Stripe delete Ada's customer, or answer that there is none.
    async fn deletes(&self, status: u16, body: Value) {
        self.stripe.reset().await;
        self.answer("DELETE", "/v1/customers/cus_1", status, body).await;
    }

    /// Lets Stripe give this state to the redaction job, and nothing else.
    async fn job(&self, status: &str) {
        self.stripe.reset().await;
        self.also_job(status).await;
    }

    async fn also_job(&self, status: &str) {
        let job = json!({"id": "prj_1", "object": "privacy.redaction_job", "status": status});
        self.answer("POST", "/v1/privacy/redaction_jobs", 200, job.clone()).await;
        self.answer("GET", "/v1/privacy/redaction_jobs/prj_1", 200, job.clone()).await;
        for step in ["run", "validate"] {
            self.answer("POST", &format!("/v1/privacy/redaction_jobs/prj_1/{step}"), 200, job.clone()).await;
        }
    }

    /// Waits until Stripe is asked for this step of the job.
    async fn asks_for(&self, step: &str) {
        let at = format!("/v1/privacy/redaction_jobs/prj_1/{step}");
        eventually(step, || async {
            let request = Caller::service("billing", "billing").request(DeleteStripeCustomersRequest {});
            self.checkout().delete_stripe_customers(request).await.expect("done");
            (!self.asked("POST", &at).await.is_empty()).then_some(())
        })
        .await;
    }
}

fn deleted() -> Value {
    json!({"id": "cus_1", "object": "customer", "deleted": true})
}

#[tokio::test]
async fn an_erasure_is_complete_once_stripe_has_deleted_the_customer() {
    let shop = Shop::open().await;
    shop.deletes(500, json!({"error": {"type": "api_error"}})).await;
    shop.erase().await;
    eventually("Stripe is asked", || async {
        (!shop.asked("DELETE", "/v1/customers/cus_1").await.is_empty()).then_some(())
    })
    .await;
    assert_eq!(shop.bench.left().await, ["customer_deletions"], "Stripe did not do it");
    shop.deletes(200, deleted()).await;
    shop.bench.advance(TimeDelta::minutes(1)).await;
    shop.until(ALL_DELETED, 1).await;
    assert_eq!(shop.bench.left().await, ["customer_deletions"], "its event may still come");
    shop.bench.advance(TimeDelta::minutes(6)).await;
    shop.until("customer_deletions", 0).await;
    assert_eq!(shop.bench.left().await, Vec::<String>::new());
    assert!(shop.asked("DELETE", "/v1/customers/cus_2").await.is_empty(), "Bob has this customer");
    assert_eq!(shop.bench.count("customers WHERE stripe_customer_id = 'cus_2'").await, 1);
    assert_eq!(shop.bench.count("customer_redactions").await, 0);
    assert_eq!(shop.bench.count("runtime.audit_entries WHERE action = 'stripe_customer.delete'").await, 1);
}

#[tokio::test]
async fn a_customer_that_stripe_does_not_have_counts_as_deleted() {
    let shop = Shop::open().await;
    let missing = json!({"error": {"type": "invalid_request_error", "code": "resource_missing"}});
    shop.deletes(404, missing).await;
    shop.erase().await;
    shop.until(ALL_DELETED, 1).await;
}

#[tokio::test]
async fn a_refusal_is_kept_and_asked_again_after_a_day() {
    let shop = Shop::open().await;
    let refusal =
        json!({"error": {"type": "invalid_request_error", "code": "customer_tax_location_invalid"}});
    shop.deletes(400, refusal).await;
    shop.erase().await;
    shop.until("customer_deletions WHERE state = 'REQUESTED' AND failure IS NOT NULL", 1).await;
    shop.deletes(200, deleted()).await;
    shop.bench.advance(TimeDelta::hours(25)).await;
    shop.until(ALL_DELETED, 1).await;
}

#[tokio::test]
async fn a_redaction_is_asked_for_until_stripe_allows_it() {
    let settings = [("LEVQOR_STRIPE_REDACTION_VERSION", "2026-06-24.preview")];
    let shop = Shop::open_with(MockServer::start().await, &settings).await;
    shop.deletes(200, deleted()).await;
    shop.also_job("failed").await;
    shop.erase().await;
    shop.until("customer_redactions WHERE job_id = 'prj_1'", 1).await;
    let (form, key) = shop.asked("POST", "/v1/privacy/redaction_jobs").await.remove(0);
    assert!(form.contains("objects[customers][0]=cus_1") && !key.is_empty(), "{form} {key}");
    let requests = shop.stripe.received_requests().await.expect("recorded");
    let version = requests.iter().rev().find(|one| one.url.path() == "/v1/privacy/redaction_jobs");
    assert_eq!(version.expect("asked").headers["stripe-version"], "2026-06-24.preview");
    shop.bench.advance(TimeDelta::minutes(6)).await;
    shop.asks_for("validate").await;
    assert_eq!(shop.bench.left().await, Vec::<String>::new(), "the erasure does not wait for it");
    shop.job("ready").await;
    shop.bench.advance(TimeDelta::hours(25)).await;
    shop.asks_for("run").await;
    shop.job("succeeded").await;
    shop.bench.advance(TimeDelta::minutes(6)).await;
    shop.until("customer_redactions", 0).await;
    assert_eq!(shop.bench.count("runtime.audit_entries WHERE action = 'stripe_customer.redact'").await, 1);
}

#[tokio::test]
async fn without_a_key_the_erasure_of_a_customer_of_stripes_waits() {
    let bench = Bench::start().await;
    assert_eq!(bench.obstacles().await, ["STRIPE_KEY_MISSING"]);
}

#[tokio::test]
async fn the_erasure_waits_until_the_subscription_has_ended() {
    let shop = Shop::open().await;
    for (status, expected) in [("active", &["SUBSCRIPTION_ACTIVE"][..]), ("canceled", &[])] {
        shop.subscribe(&subscription(status, &[("GROWTH", 7900)])).await;
        assert_eq!(shop.bench.obstacles().await, expected, "{status}");
    }
}
