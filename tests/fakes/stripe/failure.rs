//! Stripe's errors, as its API answers them.

use serde_json::{Value, json};

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: u16,
    kind: &'static str,
    code: Option<&'static str>,
    message: String,
    param: Option<String>,
}

impl Failure {
    /// A request that says something wrong.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { status: 400, kind: "invalid_request_error", code: None, message: message.into(), param: None }
    }

    /// An object that is not there.
    pub(super) fn missing(kind: &str, id: &str, param: &str) -> Self {
        let named = if param == "id" { 404 } else { 400 };
        let failure = Self::invalid(format!("No such {kind}: '{id}'")).code("resource_missing").at(param);
        Self { status: named, ..failure }
    }

    /// A parameter that has to be given.
    pub(super) fn required(param: &str) -> Self {
        Self::invalid(format!("Missing required param: {param}.")).code("parameter_missing").at(param)
    }

    /// An unknown parameter.
    pub(super) fn unknown(param: &str) -> Self {
        Self::invalid(format!("Received unknown parameter: {param}")).code("parameter_unknown").at(param)
    }

    /// A card that its bank refuses.
    pub(super) fn declined() -> Self {
        let failure = Self::invalid("Your card was declined.").code("card_declined");
        Self { status: 402, kind: "card_error", ..failure }
    }

    /// A key that is not the account's.
    pub(super) fn key() -> Self {
        Self { status: 401, ..Self::invalid("Invalid API Key provided: sk_test_****") }
    }

    /// A restricted key without the permission for this.
    pub(super) fn not_allowed() -> Self {
        let message =
            "The provided key 'rk_test_****' does not have the required permissions for this endpoint.";
        Self { status: 403, ..Self::invalid(message) }
    }

    /// A path that leads nowhere.
    pub(super) fn path(method: &str, path: &str) -> Self {
        let message = format!(
            "Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at https://support.stripe.com/."
        );
        Self { status: 404, ..Self::invalid(message) }
    }

    /// An idempotency key that was used for something else.
    pub(super) fn key_reused(key: &str) -> Self {
        let message = format!(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '{key}' if you meant to execute a different request."
        );
        Self { kind: "idempotency_error", ..Self::invalid(message) }
    }

    /// Too many requests.
    pub(super) fn rate_limited() -> Self {
        let message = "Request rate limit exceeded. You can learn more about rate limits here https://stripe.com/docs/rate-limits.";
        Self { status: 429, ..Self::invalid(message).code("rate_limit") }
    }

    /// Stripe's own fault.
    pub(super) fn internal() -> Self {
        let message = "An unknown error occurred";
        Self { status: 500, kind: "api_error", ..Self::invalid(message) }
    }

    pub(super) fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    pub(super) fn at(self, param: &str) -> Self {
        Self { param: Some(param.to_owned()), ..self }
    }

    /// The body of the answer.
    pub(super) fn body(&self) -> Value {
        let mut error = json!({"type": self.kind, "message": self.message});
        if let Some(code) = self.code {
            error["code"] = json!(code);
            error["doc_url"] =
                json!(format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-")));
        }
        if let Some(param) = &self.param {
            error["param"] = json!(param);
        }
        if self.kind == "card_error" {
            error["decline_code"] = json!("generic_decline");
        }
        json!({"error": error})
    }
}
