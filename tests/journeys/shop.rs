//! Buyers sign in, see the prices, check out and pay, and the work on the order is done. They subscribe, preview a change, change,
//! cancel and resume.

use serde_json::{Value, json};

use super::order_work;
use crate::{
    fakes::stripe::{Buyer, KEY, Stripe, World, id, price_settings},
    harness::{Answer, Mesh},
    stripe::sign,
};

const ADA: Buyer<'_> = Buyer { name: "Ada", email: "alice@example.com" };

/// A mesh that sells through a fake Stripe.
struct Shop {
    mesh: Mesh,
    stripe: Stripe,
    /// How many of Stripe's events were delivered.
    told: usize,
}

impl Shop {
    async fn open() -> Self {
        let stripe = Stripe::start();
        let (url, prices) = (stripe.url(), price_settings());
        let prices: Vec<_> = prices.iter().map(|(name, id)| (name.as_str(), id.as_str())).collect();
        let own = [("STRIPE_SECRET_KEY", KEY), ("STRIPE_API_BASE", &url), ("LEVQOR_TERMS_VERSION", "1")];
        let mesh = Mesh::start_with(&[&own[..], &prices].concat()).await;
        Self { mesh, stripe, told: 0 }
    }

    /// Something happens at Stripe, and Stripe delivers all events that it has not delivered yet.
    async fn at_stripe<T>(&mut self, happens: impl FnOnce(&mut World) -> T) -> T {
        let (result, bodies) = {
            let mut world = self.stripe.world();
            let result = happens(&mut world);
            let events = self.told..world.event_ids().len();
            let bodies: Vec<_> =
                events.map(|event| world.webhook(event, crate::fakes::stripe::API_VERSION)).collect();
            (result, bodies)
        };
        self.told += bodies.len();
        for body in bodies {
            let answer = self.mesh.post_webhook("/webhooks/stripe", &sign(&body), body).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        self.mesh.settle().await;
        result
    }

    /// The only subscription's period ends: it is renewed. Returns the charge.
    async fn renew(&mut self) -> Value {
        self.at_stripe(|world| {
            let subscription = world.newest("subscription");
            let invoice = world.renew(&subscription).expect("an invoice");
            world.get(&invoice)["amount_paid"].clone()
        })
        .await
    }

    /// A request of Alice.
    async fn alice(&self, path: &str, body: Value) -> Answer {
        let answer = self.mesh.customer("alice").post(path, body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer
    }

    /// Alice checks out and pays by card.
    async fn buy(&mut self, item: Value) -> Answer {
        let mut request = json!({"terms_version": "1", "start_at_once": true});
        request.as_object_mut().expect("an object").extend(item.as_object().expect("an object").clone());
        let checkout = self.alice("/v1/checkout-sessions", request).await;
        let session = checkout.str("/stripe_checkout_session_id").to_owned();
        assert!(checkout.str("/url").contains(&session), "{}", checkout.text);
        self.at_stripe(|world| world.pay_by_card(&session, ADA)).await;
        checkout
    }
}

/// The charges now and next in a preview, and the remaining credit.
fn previewed(preview: &Answer) -> [i64; 3] {
    ["charged_now", "next_charge", "credit"]
        .map(|field| preview.json[field]["minor_units"].as_i64().expect("an amount"))
}

#[tokio::test]
async fn a_customer_sees_the_prices_checks_out_pays_and_accepts_the_work() {
    let mut shop = Shop::open().await;
    let prices = shop.mesh.anon().get("/v1/prices").await;
    assert_eq!((prices.status, prices.list("tiers").len()), (200, 3), "{}", prices.text);
    let tag = prices.headers["etag"].to_str().expect("text").to_owned();
    let http = levqor_runtime::client::http_client().expect("a client");
    let again = http.get(format!("{}/v1/prices", shop.mesh.url)).header("if-none-match", &tag);
    let again = Answer::of(again).await;
    assert_eq!(
        (again.status, again.text.as_str(), &again.headers["etag"]),
        (304, "", &prices.headers["etag"])
    );

    let checkout = shop.buy(json!({"dfy": {"tier": "TIER_PROFESSIONAL"}})).await;
    let alice = shop.mesh.customer("alice");
    let order = alice.get(&format!("/v1/orders/{}", checkout.str("/order_id"))).await;
    assert_eq!(order.str("/order/payment_state"), "PAYMENT_STATE_PAID", "{}", order.text);
    assert_eq!(order.str("/order/tier"), "TIER_PROFESSIONAL");
    let orders = alice.get("/v1/orders").await;
    assert_eq!(orders.list("orders").len(), 1, "the order before the redirect is the one that was paid");
    let bob = shop.mesh.customer("bob").get(&format!("/v1/orders/{}", checkout.str("/order_id"))).await;
    assert_eq!(bob.status, 404);
    let accepted = alice.get("/v1/acceptances").await;
    assert_eq!(accepted.list("acceptances").len(), 1, "{}", accepted.text);
    let terms = ["kind", "version", "source"].map(|field| accepted.str(&format!("/acceptances/0/{field}")));
    assert_eq!(terms, ["LEGAL_DOCUMENT_KIND_TERMS", "1", "checkout"], "{}", accepted.text);
    assert_eq!(accepted.str("/acceptances/0/sha256").len(), 64, "the version was published here");
    let portal = shop.alice("/v1/billing-portal-sessions", json!({})).await;
    assert!(portal.str("/url").starts_with("https://billing.stripe.com/"), "{}", portal.text);
    let order = format!("/v1/orders/{}", checkout.str("/order_id"));
    Box::pin(order_work::do_all(&shop.mesh, &order)).await;
    shop.mesh.finish().await;
}

#[tokio::test]
async fn a_buyer_gets_one_mail_with_stripes_receipt() {
    let mut shop = Shop::open().await;
    let request = json!({"dfy": {"tier": "TIER_STARTER"}, "terms_version": "1", "start_at_once": true});
    let checkout = shop.alice("/v1/checkout-sessions", request).await;
    let session = checkout.str("/stripe_checkout_session_id").to_owned();
    let paid = shop.at_stripe(|world| {
        world.pay_by_card(&session, ADA);
        world.has_receipt(&session)
    });
    let page = paid.await;
    let mails = shop.mesh.staff().get("/v1/messages?template=payment_receipt").await;
    assert_eq!(mails.list("messages").len(), 1, "{}", mails.text);
    assert_eq!(mails.str("/messages/0/state"), "STATE_SENT", "{}", mails.text);
    let path = format!("/v1/messages/{}/preview?format=FORMAT_TEXT", mails.str("/messages/0/message_id"));
    let text = shop.mesh.staff().get(&path).await.text;
    assert!(text.contains("Paid: £99.00") && text.contains(&page), "{text}");
    shop.mesh.finish().await;
}

#[tokio::test]
async fn a_customer_subscribes_previews_changes_cancels_and_resumes() {
    let mut shop = Shop::open().await;
    let growth = json!({"plan": "PLAN_GROWTH", "term": "TERM_MONTHLY", "add_ons": ["ADD_ON_SLA_99_9"]});
    shop.buy(json!({"subscription": growth})).await;
    let state = |answer: &Answer| {
        let text = |field: &str| answer.str(&format!("/subscription/{field}")).to_owned();
        (text("state"), text("plan"), !text("cancel_time").is_empty())
    };
    let of = |plan: &str, ends| ("STATE_ACTIVE".to_owned(), plan.to_owned(), ends);
    let seen = shop.mesh.customer("alice").get("/v1/subscription").await;
    assert_eq!(state(&seen), of("PLAN_GROWTH", false), "{}", seen.text);
    let second = json!({"subscription": growth, "terms_version": "1"});
    let second = shop.mesh.customer("alice").post("/v1/checkout-sessions", second).await;
    assert_eq!((second.status, second.str("/reason")), (409, "ALREADY_SUBSCRIBED"));
    for (field, value) in [("amount", json!(1)), ("metadata", json!({"plan": "starter"}))] {
        let mut tampered = json!({"dfy": {"tier": "TIER_ENTERPRISE"}, "terms_version": "1"});
        tampered[field] = value;
        let refused = shop.mesh.customer("alice").post("/v1/checkout-sessions", tampered).await;
        assert_eq!((refused.status, refused.str("/errors/0/field")), (400, field), "{}", refused.text);
    }
    let entitled = shop.mesh.customer("alice").get("/v1/entitlements").await;
    assert_eq!(entitled.json["entitlements"][0]["limit"], 3, "{}", entitled.text);

    let business = json!({"plan": "PLAN_BUSINESS", "term": "TERM_MONTHLY", "add_ons": []});
    // Half of the period is left. Without its add-on the old package is the dearer one: £64.50 of it is credited next time.
    let preview = shop.alice("/v1/subscription:preview", business.clone()).await;
    assert_eq!(previewed(&preview), [0, 8_450, 0], "{}", preview.text);
    // With it, Business is the dearer one: half of the difference is due now.
    let with_sla = json!({"plan": "PLAN_BUSINESS", "term": "TERM_MONTHLY", "add_ons": ["ADD_ON_SLA_99_9"]});
    let dearer = shop.alice("/v1/subscription:preview", with_sla).await;
    assert_eq!(previewed(&dearer), [3_500, 34_800, 0], "{}", dearer.text);
    // A year of Starter begins at once, and the unused part of the month is credited to it.
    let starter = json!({"plan": "PLAN_STARTER", "term": "TERM_YEARLY"});
    let year = shop.alice("/v1/subscription:preview", starter).await;
    assert_eq!(previewed(&year), [5_100, 19_000, 0], "{}", year.text);
    let changed = shop.alice("/v1/subscription:change", business).await;
    assert_eq!(state(&changed), of("PLAN_BUSINESS", false));
    let cancelled = shop.alice("/v1/subscription:cancel", json!({})).await;
    assert_eq!(state(&cancelled), of("PLAN_BUSINESS", true));
    let resumed = shop.alice("/v1/subscription:resume", json!({})).await;
    assert_eq!(state(&resumed), of("PLAN_BUSINESS", false));
    shop.at_stripe(|_| ()).await;
    let seen = shop.mesh.customer("alice").get("/v1/subscription").await;
    assert_eq!(state(&seen), of("PLAN_BUSINESS", false), "the events say the same");
    assert_eq!(shop.renew().await, 8_450, "what the preview said");
    let messages = shop.mesh.staff().get("/v1/messages").await;
    let sent =
        |template: &str| messages.list("messages").iter().filter(|sent| sent["template"] == template).count();
    let told = ["started", "changed", "ending", "resumed", "cancelled"];
    let told = told.map(|it| sent(&format!("subscription_{it}")));
    assert_eq!(told, [1, 1, 1, 1, 0], "{}", messages.text);
    shop.mesh.finish().await;
}

#[tokio::test]
async fn a_customer_withdraws_from_an_order_and_a_subscription_and_has_receipts_and_the_money_back() {
    let mut shop = Shop::open().await;
    let checkout = shop.buy(json!({"dfy": {"tier": "TIER_STARTER"}})).await;
    let order = format!("/v1/orders/{}", checkout.str("/order_id"));
    let shown = shop.mesh.customer("alice").get(&format!("{order}/withdrawal")).await;
    assert_eq!(shown.json["offer"]["amount"]["minor_units"], 9900, "{}", shown.text);
    let (confirm, statement) = (json!({"etag": shown.str("/offer/etag")}), shown.str("/offer/statement"));
    let bob = shop.mesh.customer("bob").post(&format!("{order}:withdraw"), confirm.clone()).await;
    assert_eq!(bob.status, 404);
    let made = shop.alice(&format!("{order}:withdraw"), confirm.clone()).await;
    assert_eq!(made.str("/withdrawal/statement"), statement);
    shop.mesh.settle().await;
    shop.at_stripe(|_| ()).await;
    let after = shop.mesh.customer("alice").get(&order).await;
    let states = (after.str("/order/payment_state"), after.str("/order/fulfilment_state"));
    assert_eq!(states, ("PAYMENT_STATE_REFUNDED", "FULFILMENT_STATE_ENDED"), "{}", after.text);
    assert_eq!(
        shop.alice(&format!("{order}:withdraw"), confirm).await.str("/withdrawal/state"),
        "STATE_COMPLETED"
    );
    let receipts = shop.mesh.staff().get("/v1/messages?template=withdrawal_receipt").await;
    let receipt =
        format!("/v1/messages/{}/preview?format=FORMAT_TEXT", receipts.str("/messages/0/message_id"));
    let receipt = shop.mesh.staff().get(&receipt).await;
    assert!(receipt.text.contains(statement) && receipt.text.contains("£99.00"), "{}", receipt.text);

    shop.buy(json!({"subscription": {"plan": "PLAN_GROWTH", "term": "TERM_MONTHLY"}})).await;
    let shown = shop.mesh.customer("alice").get("/v1/subscription/withdrawal").await;
    assert_eq!(shown.json["offer"]["amount"]["minor_units"], 7900, "{}", shown.text);
    shop.alice("/v1/subscription:withdraw", json!({"etag": shown.str("/offer/etag")})).await;
    let entitled = shop.mesh.customer("alice").get("/v1/entitlements").await;
    assert_eq!(entitled.str("/plan"), "PLAN_UNSPECIFIED", "{}", entitled.text);
    shop.mesh.settle().await;
    shop.at_stripe(|_| ()).await;
    let ended = shop.mesh.customer("alice").get("/v1/subscription").await;
    assert_eq!(ended.str("/subscription/state"), "STATE_CANCELED", "{}", ended.text);
    let shown = shop.mesh.customer("alice").get("/v1/subscription/withdrawal").await;
    assert_eq!(shown.str("/withdrawal/state"), "STATE_COMPLETED", "{}", shown.text);
    let refunds = shop.mesh.staff().get("/v1/refunds?state=STATE_SUCCEEDED").await;
    let amounts: Vec<_> =
        refunds.list("refunds").iter().map(|refund| &refund["amount"]["minor_units"]).collect();
    assert_eq!(amounts, [7900, 9900], "{}", refunds.text);
    let messages = shop.mesh.staff().get("/v1/messages").await;
    let sent =
        |template: &str| messages.list("messages").iter().filter(|sent| sent["template"] == template).count();
    assert_eq!(["withdrawal_receipt", "refund_made"].map(sent), [2, 2], "{}", messages.text);
    shop.mesh.finish().await;
}

/// The route of the link in the mail that greets a new subscription.
async fn linked_subscription(mesh: &Mesh) -> String {
    let mails = mesh.staff().get("/v1/messages?template=subscription_started").await;
    let path = format!("/v1/messages/{}/preview?format=FORMAT_TEXT", mails.str("/messages/0/message_id"));
    let text = mesh.staff().get(&path).await.text;
    assert!(text.contains("£79.00 a month") && !text.contains("monthly"), "{text}");
    let after = text.split("subscription?link=").nth(1).expect("a link");
    let token: String = after.chars().take_while(char::is_ascii_alphanumeric).collect();
    format!("/v1/subscription-links/{token}")
}

#[tokio::test]
async fn a_guest_subscribes_by_a_payment_link_and_withdraws_by_the_link_in_the_mail() {
    let mut shop = Shop::open().await;
    let sold = json!({"mode": "subscription", "plan": "growth", "term": "monthly"});
    let session = json!({
        "mode": "subscription", "success_url": "https://example.com", "line_items": [{"price": "price_growth"}],
        "metadata": sold, "subscription_data": {"metadata": sold},
    });
    let session = id(&shop.stripe.post("/v1/checkout/sessions", session));
    shop.at_stripe(|world| world.pay_by_card(&session, ADA)).await;
    let link = linked_subscription(&shop.mesh).await;
    let withdrawal = format!("{link}/withdrawal");
    let shown = shop.mesh.anon().get(&withdrawal).await;
    assert_eq!(shown.json["offer"]["amount"]["minor_units"], 7900, "{}", shown.text);
    let confirm = json!({"etag": shown.str("/offer/etag")});
    let made = shop.mesh.anon().post(&format!("{link}:withdraw"), confirm).await;
    assert_eq!(made.str("/withdrawal/statement"), shown.str("/offer/statement"), "{}", made.text);
    assert_eq!(shop.mesh.anon().get("/v1/subscription-links/1/withdrawal").await.status, 404);
    shop.mesh.settle().await;
    shop.at_stripe(|_| ()).await;
    let after = shop.mesh.anon().get(&withdrawal).await;
    assert_eq!(after.str("/withdrawal/state"), "STATE_COMPLETED", "{}", after.text);
    let messages = shop.mesh.staff().get("/v1/messages?recipient=alice@example.com").await;
    let sent =
        |template: &str| messages.list("messages").iter().filter(|sent| sent["template"] == template).count();
    let told =
        ["subscription_started", "withdrawal_receipt", "refund_made", "subscription_cancelled"].map(sent);
    assert_eq!(told, [1, 1, 1, 1], "{}", messages.text);
    // She signs in with the address that she bought with.
    let own = shop.mesh.customer("alice").get("/v1/subscription/withdrawal").await;
    assert_eq!(own.str("/withdrawal/withdrawal_id"), made.str("/withdrawal/withdrawal_id"), "{}", own.text);
    shop.mesh.finish().await;
}
