//! `SendDigest`: mails one report to operators, with the lines of every service of the mesh. This service calls it; a schedule defers
//! the call. It works without `mutate`, because it asks the other services before its transaction. The report's day is part of what
//! the mail is about, so a second call sends no second mail.

use std::time::Duration;

use chrono::TimeDelta;
use chrono_tz::Europe::London;
use futures_util::future::join_all;
use levqor_proto_mail::v1::{OperatorDigest, Section, SendMessageRequest, send_message_request::Content};
use levqor_proto_notifications::v1::{SendDigestRequest, SendDigestResponse};
use levqor_proto_runtime::v1::{GetDigestRequest, digest_service_client::DigestServiceClient};
use levqor_runtime::{
    context::Ctx,
    db,
    deferred::defer,
    digest::{Period, Report},
    error::{Invalid, Violations},
    service::Service,
    timestamp,
};

use crate::{
    Notifications,
    domain::{operator_notice::Inbox, text::Line},
    error::Error,
};

/// How long to wait for a service.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The most lines of a section.
const MOST_LINES: usize = 50;

pub(super) async fn send_digest(
    notifications: &Notifications,
    ctx: Ctx,
    request: SendDigestRequest,
) -> Result<SendDigestResponse, Error> {
    let Command { report } = (&request).try_into()?;
    let inbox = if report == Report::DailyErrors { Inbox::Owner } else { Inbox::Operations };
    let Some(recipient) = notifications.operators.inboxes.address(inbox) else {
        tracing::info!(action = report.as_str(), "this report has no recipient: no mailbox is set for it");
        return Ok(SendDigestResponse::default());
    };
    let end = db::now(&mut *notifications.chassis.db.acquire().await?).await?;
    let period = Period { report, begin: end - length(report), end };
    let services = std::iter::once(Notifications::NAME).chain(Notifications::ASKS.iter().copied());
    // A service without an address is not part of this mesh.
    let services = services.filter(|service| notifications.chassis.channels.get(service).is_some());
    let answers =
        join_all(services.map(async |service| (service, ask(notifications, &ctx, service, period).await)));
    let (sections, unanswered) = sections(answers.await);
    let day = end.with_timezone(&London).date_naive();
    let mail = SendMessageRequest {
        recipient: recipient.as_str().to_owned(),
        about: format!("digest:{}:{day}", report.as_str()),
        content: Some(Content::OperatorDigest(OperatorDigest {
            title: title(report).to_owned(),
            report_time: Some(timestamp(end)),
            sections,
        })),
        ..SendMessageRequest::default()
    };
    let mut tx = notifications.chassis.db.begin().await?;
    defer(&mut tx, &mail, format!("digest:{}:{day}:{}", report.as_str(), end.timestamp())).await?;
    tx.commit().await?;
    Ok(SendDigestResponse { unanswered })
}

/// Asks one service for its lines. None: it gave no answer.
async fn ask(notifications: &Notifications, ctx: &Ctx, service: &str, period: Period) -> Option<Vec<String>> {
    let request = GetDigestRequest {
        service: service.to_owned(),
        report: period.report.into(),
        begin_time: Some(timestamp(period.begin)),
        end_time: Some(timestamp(period.end)),
    };
    let chassis = &notifications.chassis;
    let answer = chassis.ask(service, &ctx.request_id, TIMEOUT, request, async |channel, request| {
        DigestServiceClient::new(channel).get_digest(request).await
    });
    Some(answer.await.ok()?.lines)
}

/// The sections of the report, and the services that gave no answer.
fn sections(answers: Vec<(&str, Option<Vec<String>>)>) -> (Vec<Section>, Vec<String>) {
    let mut unanswered = Vec::new();
    let mut sections: Vec<_> = answers
        .into_iter()
        .filter_map(|(service, lines)| {
            let Some(lines) = lines else {
                unanswered.push(service.to_owned());
                return None;
            };
            let mut lines: Vec<_> = lines.iter().filter_map(|line| fit(line)).take(MOST_LINES).collect();
            if lines.is_empty() {
                lines.push("Nothing to report".to_owned());
            }
            Some(Section { title: service.to_owned(), lines })
        })
        .collect();
    if !unanswered.is_empty() {
        let lines =
            unanswered.iter().map(|service| format!("{service} gave no answer: it is not in this report"));
        sections.push(Section { title: "Not in this report".to_owned(), lines: lines.collect() });
    }
    (sections, unanswered)
}

/// A line that a mail takes.
fn fit(line: &str) -> Option<String> {
    let line: String =
        line.chars().map(|c| if c.is_control() { ' ' } else { c }).take(Line::MAX_CHARS).collect();
    line.parse::<Line>().ok().map(|line| line.as_str().to_owned())
}

const fn title(report: Report) -> &'static str {
    match report {
        Report::DailyOperations => "Daily ops report",
        Report::DailyErrors => "Daily error summary",
        Report::WeeklyPulse => "Weekly pulse",
        Report::WeeklyGovernance => "Weekly governance report",
    }
}

/// How much time a report is about.
const fn length(report: Report) -> TimeDelta {
    match report {
        Report::DailyOperations | Report::DailyErrors => TimeDelta::days(1),
        Report::WeeklyPulse | Report::WeeklyGovernance => TimeDelta::weeks(1),
    }
}

/// A valid request.
struct Command {
    report: Report,
}

impl TryFrom<&SendDigestRequest> for Command {
    type Error = Invalid;

    fn try_from(request: &SendDigestRequest) -> Result<Self, Invalid> {
        let mut violations = Violations::new();
        let report = violations.parse("report", &request.report, "the name of a report");
        violations.finish(report.map(|report| Self { report }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_gave_no_answer_is_named_and_a_silent_one_has_nothing_to_report() {
        let lines = vec!["one\u{7}\nline".to_owned(), String::new(), "x".repeat(300)];
        let answers = vec![("billing", None), ("notifications", Some(lines)), ("support", Some(Vec::new()))];
        let (sections, unanswered) = sections(answers);
        assert_eq!(unanswered, ["billing"]);
        let shown: Vec<_> =
            sections.iter().map(|it| (it.title.as_str(), it.lines.len(), it.lines[0].as_str())).collect();
        assert_eq!(
            shown,
            [
                ("notifications", 2, "one line"),
                ("support", 1, "Nothing to report"),
                ("Not in this report", 1, "billing gave no answer: it is not in this report"),
            ]
        );
        assert_eq!(sections[0].lines[1].chars().count(), Line::MAX_CHARS);
    }
}
