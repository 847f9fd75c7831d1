//! The checks of the running mesh, through its gateway: whether it is live and ready, whether it accepts our token, what each
//! service reports, and what waits for a person.

mod services;

use std::net::SocketAddr;

use levqor_notifications::Notifications;
use levqor_runtime::{
    check::{self, Check, Finding, Line},
    client::local_http_client,
    clock::Clock,
    context::Role as UserRole,
    service::Service,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{TIMEOUT, subject::Subject};
use crate::{cli::Role, token};

/// The request for the status, which only staff may see.
const ASKED: &str = "GET /v1/status as staff";
/// The request that counts the mails in doubt, up to the page size.
const IN_DOUBT: &str = "/v1/messages?state=STATE_IN_DOUBT&page_size=100";

/// A client of the gateway.
#[derive(Clone)]
struct GatewayClient {
    http: reqwest::Client,
    url: String,
}

/// All checks through the gateway. For the services in `seen`, the doctor reads the schedules in their own tables.
pub(super) fn checks(subject: &Subject, listens: Option<SocketAddr>, seen: Vec<&'static str>) -> Vec<Check> {
    // For the gateway's own process, the request goes to its listen address.
    let own = listens.filter(|_| subject.role == Some(Role::Gateway)).map(|addr| format!("http://{addr}"));
    let Some(url) = subject.url().or(own) else {
        let how = "start `levqor up`, or set LEVQOR_URL";
        let finding = if subject.role.is_some() {
            Finding::off("LEVQOR_URL is not set: the gateway is not asked", how)
        } else {
            Finding::failed(format!("no mesh is running here: {how}"))
        };
        return vec![Check::known("gateway", finding)];
    };
    let Ok(http) = local_http_client() else {
        return vec![Check::known("gateway", Finding::failed("an HTTP client cannot be set up"))];
    };
    let gateway = GatewayClient { http, url };
    let mut checks = vec![live(gateway.clone()), ready(gateway.clone()), clock(gateway.clone())];
    let Ok(token) = token::operator(&subject.env, UserRole::Staff) else {
        let why = "no token can be made here: what only staff see is not checked";
        let how = "set LEVQOR_JWT_SECRET; with LEVQOR_JWKS_URL alone only the identity provider makes tokens";
        checks.push(Check::known("gateway.token", Finding::off(why, how)));
        return checks;
    };
    checks.push(Check::several("gateway.token", ASKED, status(gateway.clone(), token.clone(), seen)));
    if subject.is_checked(Notifications::NAME) {
        let ask = async move { gateway.get(IN_DOUBT, Some(&token)).await.map(|(_, page)| doubtful(&page)) };
        let asked = format!("GET {IN_DOUBT} as staff");
        checks.push(Check::new("notifications.mails_in_doubt", asked, async move {
            ask.await.unwrap_or_else(Finding::failed)
        }));
    }
    checks
}

fn live(gateway: GatewayClient) -> Check {
    Check::new("gateway.live", "GET /health/live", async move {
        gateway.get("/health/live", None).await.map(|(status, _)| status.to_string()).into()
    })
}

fn ready(gateway: GatewayClient) -> Check {
    Check::new("gateway.ready", "GET /health/ready", async move {
        let answer = gateway.get("/health/ready", None).await;
        answer.map(|(status, body)| format!("{status}, {}", states(&body))).into()
    })
}

fn clock(gateway: GatewayClient) -> Check {
    Check::new("gateway.clock", "the Date of an answer", async move {
        check::clock::http_date(&gateway.http, &format!("{}/health/live", gateway.url), &Clock::default())
            .await
    })
}

/// The status of the mesh. The answer also proves that the mesh accepts our token.
async fn status(gateway: GatewayClient, token: SecretString, seen: Vec<&'static str>) -> Vec<Line> {
    let name = "gateway.token";
    let status = match gateway.get("/v1/status", Some(&token)).await {
        Ok((_, status)) => status,
        Err(reason) => return vec![Line::new(name, ASKED, Finding::failed(reason))],
    };
    let staff = status.pointer("/services/gateway/version").is_some();
    let known = if staff {
        Finding::on(
            "200: a token that LEVQOR_JWT_SECRET signed is accepted, and shows what only staff may see",
        )
    } else {
        Finding::failed("200, but not what staff may see: the token's role is not accepted")
    };
    let mut lines = vec![Line::new(name, ASKED, known)];
    let mut expected: Vec<&str> = levqor_gateway::methods().services().iter().map(String::as_str).collect();
    expected.push(levqor_gateway::NAME);
    for service in expected {
        let said = status.pointer(&format!("/services/{service}"));
        lines.extend(services::lines(service, said, seen.contains(&service)));
    }
    lines
}

/// The finding about a page of mails in doubt. It uses only their number.
fn doubtful(page: &Value) -> Finding {
    let more = page.get("next_page_token").and_then(Value::as_str).is_some_and(|token| !token.is_empty());
    let Some(messages) = page.get("messages").and_then(Value::as_array) else {
        return Finding::failed("200, and no list of mails");
    };
    match messages.len() {
        0 => Finding::on("200, none"),
        count => Finding::warning(format!(
            "200, {count}{}: nobody knows whether they were sent; look, then POST /v1/messages/{{message_id}}:resolve",
            if more { " or more" } else { "" }
        )),
    }
}

impl GatewayClient {
    /// The HTTP status and the body of a good answer, or why there is none.
    async fn get(&self, path: &str, token: Option<&SecretString>) -> Result<(u16, Value), String> {
        let mut request = self.http.get(format!("{}{path}", self.url)).timeout(TIMEOUT);
        if let Some(token) = token {
            request = request.bearer_auth(token.expose_secret());
        }
        let answer = request.send().await.map_err(|error| check::clock::words(&error))?;
        let status = answer.status();
        let body: Value = answer.json().await.map_err(|_| format!("{}: not JSON", status.as_u16()))?;
        if status.is_success() {
            return Ok((status.as_u16(), body));
        }
        let reason = body.get("reason").and_then(Value::as_str).map(str::to_owned);
        let why = reason.unwrap_or_else(|| states(&body));
        Err(format!("{}: {why}", status.as_u16()))
    }
}

/// The state of each service, in words.
fn states(body: &Value) -> String {
    let services = body.get("services").and_then(Value::as_object).into_iter().flatten();
    let states = services.map(|(name, service)| {
        let state = service.get("state").and_then(Value::as_str).unwrap_or("unknown");
        format!("{name} {state}")
    });
    states.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use levqor_runtime::check::Outcome;
    use serde_json::json;

    use super::*;

    #[test]
    fn mails_in_doubt_are_counted_and_not_shown() {
        assert_eq!(doubtful(&json!({"messages": []})).outcome, Outcome::On);
        assert_eq!(doubtful(&json!({})).outcome, Outcome::Failed);
        let mail = json!({"recipient": "ada@example.com"});
        let found = doubtful(&json!({"messages": [mail, mail], "next_page_token": "more"}));
        assert_eq!(found.outcome, Outcome::Warning);
        assert!(found.evidence.starts_with("200, 2 or more: "), "{}", found.evidence);
        assert!(!found.evidence.contains('@'), "{}", found.evidence);
    }
}
