//! `GetCustomerOverview`: what each service knows of a customer, for staff, and which service did not answer. A journey tests it
//! with the real services.

use levqor_proto_billing::v1::subscription::Plan;
use levqor_proto_support::v1::{
    GetCustomerOverviewRequest, GetCustomerOverviewResponse, customer_service_client::CustomerServiceClient,
};
use levqor_runtime::testing::{Caller, refused, violated};

use crate::bench::{Bench, FakeBilling, ada, bob};

impl Bench {
    async fn overview(
        &self,
        owner_sub: &str,
        customer_email: &str,
    ) -> Result<GetCustomerOverviewResponse, tonic::Status> {
        let (owner_sub, customer_email) = (owner_sub.to_owned(), customer_email.to_owned());
        let request = Caller::staff().request(GetCustomerOverviewRequest { owner_sub, customer_email });
        let mut client = CustomerServiceClient::new(self.service.channel());
        Ok(client.get_customer_overview(request).await?.into_inner())
    }
}

#[tokio::test]
async fn services_without_an_answer_are_named_and_the_data_of_others_is_shown() {
    let bench = Bench::start().await;
    bench.ticket(&ada(), "Hers").await;
    bench.ticket(&bob(), "His").await;
    for (sub, email) in [("ada", ""), ("", "ada@example.com")] {
        let seen = bench.overview(sub, email).await.expect("shown");
        let subjects: Vec<_> = seen.tickets.iter().map(|ticket| ticket.subject.as_str()).collect();
        assert_eq!(subjects, ["Hers"], "{sub}{email}");
        let parts: Vec<_> = seen.missing_parts.iter().map(|part| part.part.as_str()).collect();
        // The address of a verified ticket is known too, so mails are looked for in both cases.
        assert_eq!(parts, ["orders", "subscription", "mails"], "{sub}{email}");
        assert!(seen.missing_parts.iter().all(|part| part.code == "UNAVAILABLE"), "{:?}", seen.missing_parts);
    }
    // The read is in the audit chain, and the refused ones are not.
    let reads = "runtime.audit_entries WHERE action = 'personal_data.read' AND ids->>'rpc' LIKE '%GetCustomerOverview'";
    assert_eq!(bench.count(reads).await, 2);
    for (sub, email) in [("", ""), ("ada", "ada@example.com")] {
        let status = refused(bench.overview(sub, email).await);
        assert_eq!(violated(&status), ["customer_email"]);
    }
    assert_eq!(violated(&refused(bench.overview("", "x").await)), ["customer_email"]);
    assert_eq!(bench.count(reads).await, 2);
}

#[tokio::test]
async fn billing_is_asked_with_the_token_of_the_person_of_staff() {
    let billing = FakeBilling::start(Plan::Growth).await;
    let bench = Bench::start_with(&billing).await;
    let seen = bench.overview("", "ada@example.com").await.expect("shown");
    let [order] = seen.orders.as_slice() else { panic!("one order: {:?}", seen.missing_parts) };
    assert_eq!((order.tier.as_str(), order.fulfilment_state.as_str()), ("PROFESSIONAL", "IN_PROGRESS"));
    let subscription = seen.subscription.expect("a subscription");
    assert_eq!((subscription.plan.as_str(), subscription.state.as_str()), ("GROWTH", "ACTIVE"));
    let missing: Vec<_> = seen.missing_parts.iter().map(|part| part.service.as_str()).collect();
    assert_eq!(missing, ["notifications"]);
}
