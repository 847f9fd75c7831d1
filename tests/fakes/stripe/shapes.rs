//! What Stripe's objects look like when they are new: <https://docs.stripe.com/api>, in the version `versions::ACCOUNT`.

use serde_json::{Value, json};

use super::world::World;

/// A customer.
pub(super) fn customer(world: &mut World, email: &Value, name: &Value) -> Value {
    json!({
        "id": world.id("cus"), "object": "customer", "address": null, "balance": 0, "business_name": null,
        "created": world.now(), "currency": null, "customer_account": null, "default_source": null,
        "delinquent": false, "description": null, "discount": null, "email": email, "individual_name": null,
        "invoice_prefix": "LEVQOR",
        "invoice_settings": {
            "custom_fields": null, "default_payment_method": null, "footer": null, "rendering_options": null,
        },
        "livemode": false, "metadata": {}, "name": name, "phone": null, "preferred_locales": [],
        "shipping": null, "tax_exempt": "none", "test_clock": null,
    })
}

/// The details of a buyer.
pub(super) fn customer_details(email: &Value, name: &Value) -> Value {
    json!({
        "address": {
            "city": null, "country": "GB", "line1": null, "line2": null, "postal_code": null, "state": null,
        },
        "business_name": null, "email": email, "individual_name": null, "name": name, "phone": null,
        "tax_exempt": "none", "tax_ids": [],
    })
}

/// An open checkout session for this amount.
pub(super) fn session(world: &mut World, mode: &str, amount: i64) -> Value {
    let id = world.id("cs_test");
    json!({
        "id": id, "object": "checkout.session", "adaptive_pricing": {"enabled": true}, "after_expiration": null,
        "allow_promotion_codes": null, "amount_subtotal": amount, "amount_total": amount,
        "automatic_tax": {"enabled": false, "liability": null, "provider": null, "status": null},
        "billing_address_collection": null, "cancel_url": null, "client_reference_id": null,
        "client_secret": null, "collected_information": null, "consent": null, "consent_collection": null,
        "created": world.now(), "currency": "gbp", "currency_conversion": null, "custom_fields": [],
        "custom_text": {
            "after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null,
        },
        "customer": null, "customer_account": null,
        "customer_creation": if mode == "payment" { "if_required" } else { "always" },
        "customer_details": null, "customer_email": null, "discounts": [], "expires_at": world.now() + 86400,
        "invoice": null, "invoice_creation": null, "livemode": false, "locale": null, "metadata": {},
        "mode": mode, "origin_context": null, "payment_intent": null, "payment_link": null,
        "payment_method_collection": if mode == "payment" { "if_required" } else { "always" },
        "payment_method_configuration_details": null, "payment_method_options": {},
        "payment_method_types": ["card", "bacs_debit"], "payment_status": "unpaid", "permissions": null,
        "phone_number_collection": {"enabled": false}, "recovered_from": null, "saved_payment_method_options": null,
        "setup_intent": null, "shipping_address_collection": null, "shipping_cost": null, "shipping_options": [],
        "status": "open", "submit_type": null, "subscription": null, "success_url": null,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page", "url": format!("https://checkout.stripe.com/c/pay/{id}"), "wallet_options": null,
    })
}

/// A payment intent that is not paid yet.
pub(super) fn payment_intent(world: &mut World, amount: i64, customer: &Value) -> Value {
    let id = world.id("pi");
    json!({
        "id": id, "object": "payment_intent", "amount": amount, "amount_capturable": 0,
        "amount_details": {"tip": {}}, "amount_received": 0, "application": null, "application_fee_amount": null,
        "automatic_payment_methods": null, "canceled_at": null, "cancellation_reason": null,
        "capture_method": "automatic_async", "client_secret": format!("{id}_secret_fake"),
        "confirmation_method": "automatic", "created": world.now(), "currency": "gbp", "customer": customer,
        "customer_account": null, "description": null, "last_payment_error": null, "latest_charge": null,
        "livemode": false, "metadata": {}, "next_action": null, "on_behalf_of": null, "payment_method": null,
        "payment_method_configuration_details": null, "payment_method_options": {},
        "payment_method_types": ["card", "bacs_debit"], "processing": null, "receipt_email": null, "review": null,
        "setup_future_usage": null, "shipping": null, "source": null, "statement_descriptor": null,
        "statement_descriptor_suffix": null, "status": "requires_payment_method", "transfer_data": null,
        "transfer_group": null,
    })
}

/// A charge of a payment intent's whole amount: `succeeded`, `pending` or `failed`.
pub(super) fn charge(world: &mut World, intent: &Value, method: &str, status: &str) -> Value {
    let failed = status == "failed";
    let outcome = if failed {
        json!({"network_status": "declined_by_network", "reason": "generic_decline", "risk_level": "normal",
               "seller_message": "The bank did not return any further details with this decline.", "type": "issuer_declined"})
    } else {
        json!({"network_status": "approved_by_network", "reason": null, "risk_level": "normal",
               "seller_message": "Payment complete.", "type": "authorized"})
    };
    json!({
        "id": world.id("ch"), "object": "charge", "amount": intent["amount"],
        "amount_captured": if failed { json!(0) } else { intent["amount"].clone() }, "amount_refunded": 0,
        "application": null, "application_fee": null, "application_fee_amount": null, "balance_transaction": null,
        "billing_details": {"address": null, "email": null, "name": null, "phone": null, "tax_id": null},
        "calculated_statement_descriptor": "LEVQOR", "captured": !failed, "created": world.now(),
        "currency": intent["currency"], "customer": intent["customer"], "description": intent["description"],
        "disputed": false, "failure_balance_transaction": null,
        "failure_code": failed.then_some("card_declined"),
        "failure_message": failed.then_some("Your card was declined."), "fraud_details": {}, "livemode": false,
        "metadata": {}, "on_behalf_of": null, "outcome": outcome, "paid": !failed, "payment_intent": intent["id"],
        "payment_method": world.id("pm"), "payment_method_details": {method: {}, "type": method},
        "receipt_email": null, "receipt_number": null, "receipt_url": null, "refunded": false, "review": null,
        "shipping": null, "source": null, "source_transfer": null, "statement_descriptor": null,
        "statement_descriptor_suffix": null, "status": status, "transfer_data": null, "transfer_group": null,
    })
}

/// A refund of a part of a charge.
pub(super) fn refund(world: &mut World, charge: &Value, amount: i64) -> Value {
    json!({
        "id": world.id("re"), "object": "refund", "amount": amount, "balance_transaction": null,
        "charge": charge["id"], "created": world.now(), "customer": charge["customer"], "currency": charge["currency"],
        "destination_details": {"card": {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}, "type": "card"},
        "metadata": {}, "failure_balance_transaction": null, "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"], "pending_reason": null, "reason": null, "receipt_number": null,
        "source_transfer_reversal": null, "status": "succeeded", "transfer_reversal": null,
    })
}

/// A price in the old form `plan`, which subscription items still contain besides `price`.
pub(super) fn plan(price: &Value) -> Value {
    let recurring = &price["recurring"];
    json!({
        "id": price["id"], "object": "plan", "active": price["active"], "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"], "billing_scheme": "per_unit", "created": price["created"],
        "currency": price["currency"], "interval": recurring["interval"], "interval_count": recurring["interval_count"],
        "livemode": false, "metadata": {}, "meter": null, "nickname": null, "product": price["product"],
        "tiers_mode": null, "transform_usage": null, "trial_period_days": null, "usage_type": "licensed",
    })
}
