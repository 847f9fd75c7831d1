//! `PreviewSubscriptionChange`: Stripe computes the cost of a change, and nothing changes.

use levqor_proto_billing::v1::{
    PreviewSubscriptionChangeRequest,
    subscription::{Plan, Term},
};
use serde_json::{Value, json};
use wiremock::{
    Mock, ResponseTemplate,
    matchers::{body_string_contains, method, path},
};

use crate::support::{Shop, ada, subscription};

const PREVIEW: &str = "/v1/invoices/create_preview";

impl Shop {
    /// Stripe shows this invoice as the next one, and says what each later period costs.
    async fn preview(&self, invoice: Value, recurring: i64) {
        let later = json!({"object": "invoice", "currency": "gbp", "amount_due": 1, "total": recurring});
        let asked = Mock::given(method("POST")).and(path(PREVIEW));
        let asked = asked.and(body_string_contains("preview_mode=recurring"));
        asked.respond_with(ResponseTemplate::new(200).set_body_json(later)).mount(&self.stripe).await;
        self.answer("POST", PREVIEW, 200, invoice).await;
    }
}

#[tokio::test]
async fn a_dearer_plan_costs_now_and_a_cheaper_one_is_credited_next_time() {
    let shop = Shop::open().await;
    // Stripe's total, the customer's balance before, and the price of each later period; the charges now and next, and the credit
    // that is left then.
    for (plan, term, (total, balance, recurring), [now, next, credit], behaviour) in [
        (Plan::Business, Term::Monthly, (3500, 0, 14_900), [3500, 14_900, 0], "always_invoice"),
        // The customer has a discount that lasts.
        (Plan::Business, Term::Monthly, (3500, 0, 7450), [3500, 7450, 0], "always_invoice"),
        (Plan::Business, Term::Monthly, (3500, 0, 0), [3500, 0, 0], "always_invoice"),
        (Plan::Business, Term::Monthly, (3500, -1000, 14_900), [2500, 14_900, 0], "always_invoice"),
        (Plan::Business, Term::Monthly, (3500, -5000, 14_900), [0, 13_400, 0], "always_invoice"),
        // Another term begins at once, also where the old one leaves more credit than it costs.
        (Plan::Starter, Term::Yearly, (15_050, 0, 19_000), [15_050, 19_000, 0], "always_invoice"),
        (Plan::Starter, Term::Yearly, (-20_000, 0, 19_000), [0, 0, 1000], "always_invoice"),
        // A change that is not charged at once is on the next invoice, which is the one that Stripe shows.
        (Plan::Starter, Term::Monthly, (400, 0, 1900), [0, 400, 0], "create_prorations"),
        (Plan::Starter, Term::Monthly, (400, -100, 1900), [0, 300, 0], "create_prorations"),
        (Plan::Starter, Term::Monthly, (-700, 0, 1900), [0, 0, 700], "create_prorations"),
    ] {
        shop.subscribe(&subscription("active", &[("GROWTH", 7900)])).await;
        let due = std::cmp::max(total + balance, 0);
        let invoice = json!({
            "object": "invoice", "currency": "gbp", "amount_due": due, "total": total, "starting_balance": balance,
        });
        shop.preview(invoice, recurring).await;
        let request =
            PreviewSubscriptionChangeRequest { plan: plan.into(), term: term.into(), add_ons: vec![] };
        let preview = shop.subscriptions().preview_subscription_change(ada().request(request)).await;
        let preview = preview.expect("a preview").into_inner();
        let amounts = [preview.charged_now, preview.next_charge, preview.credit];
        let amounts = amounts.map(|money| money.expect("an amount").minor_units);
        assert_eq!(amounts, [now, next, credit], "{plan:?} {term:?} {total} {balance} {recurring}");
        let at = preview.next_charge_time.expect("a time").seconds;
        assert_eq!(at == 4_000_000_000, term == Term::Monthly, "the period goes on, or another one begins");
        let asked = shop.asked("POST", PREVIEW).await;
        assert!(
            asked[0].0.contains(&format!("subscription_details[proration_behavior]={behaviour}")),
            "{asked:?}"
        );
    }
    assert!(shop.asked("POST", "/v1/subscriptions/sub_1").await.is_empty());
}
