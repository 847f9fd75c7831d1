//! Notices for operators: their content, their recipients by mail, and their form on a channel.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use levqor_proto_mail::v1 as mail;
use levqor_proto_notifications::v1 as wire;
use levqor_runtime::{request::Field, typed_id, wire_enum};

use super::{link::Link, reference::About, text::Paragraphs};

typed_id!(pub NoticeId, "a notice for operators");

wire_enum! {
    /// What happened.
    pub enum NoticeKind: mail::OperatorNoticeKind {
        /// An order was paid.
        NewOrder = "NEW_ORDER",
        /// The customer sent the intake form.
        IntakeReceived = "INTAKE_RECEIVED",
        /// The intake form is missing, although the customer was reminded.
        IntakeMissing = "INTAKE_MISSING",
        /// The customer asked for a revision.
        RevisionRequested = "REVISION_REQUESTED",
        /// An order was not delivered in time.
        OrderOverdue = "ORDER_OVERDUE",
        /// A customer's bank disputes a payment.
        Dispute = "DISPUTE",
        /// A customer withdrew from the contract, or asked for a refund.
        Withdrawal = "WITHDRAWAL",
        /// A ticket was opened, or its customer wrote again.
        Ticket = "TICKET",
        /// A person requested an offer.
        Lead = "LEAD",
        /// A complaint came in.
        Complaint = "COMPLAINT",
        /// An incident was reported, or is over.
        Incident = "INCIDENT",
        /// A person asked for their data, or for its erasure.
        DataRequest = "DATA_REQUEST",
        /// A deadline is near, or was missed.
        Deadline = "DEADLINE",
        /// An event of a vendor is quarantined.
        QuarantinedEvent = "QUARANTINED_EVENT",
        /// A deferred call is dead.
        DeadCall = "DEAD_CALL",
        /// A mail is in doubt.
        MailInDoubt = "MAIL_IN_DOUBT",
        /// An outside system or a storage fails.
        SystemFailed = "SYSTEM_FAILED",
        /// A text may have high-risk data, or was not screened for it.
        HighRiskText = "HIGH_RISK_TEXT",
    }
}

wire_enum! {
    /// How urgent a notice is.
    pub enum Severity: mail::OperatorNoticeSeverity {
        /// Good to know.
        Info = "INFO",
        /// A person has to look at it today.
        Warning = "WARNING",
        /// A person has to look at it now.
        Critical = "CRITICAL",
    }
}

wire_enum! {
    /// The state of a notice.
    pub enum NoticeState: wire::operator_notice::State {
        /// It continues, or needs no end.
        Open = "OPEN",
        /// It is over.
        Ended = "ENDED",
    }
}

wire_enum! {
    /// A channel to operators other than mail.
    pub enum Channel: wire::OperatorChannel {
        /// A chat of Telegram.
        Telegram = "TELEGRAM",
        /// A channel of Slack.
        Slack = "SLACK",
        /// A phone with WhatsApp.
        Whatsapp = "WHATSAPP",
    }
}

/// A mailbox of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inbox {
    /// `RECEIVING_EMAIL`: what happens in the business.
    Operations,
    /// `OWNER_EMAIL`: what fails.
    Owner,
    /// `SALES_EMAIL`: who wants to buy.
    Sales,
    /// `SUPPORT_EMAIL`: who needs help.
    Support,
}

impl NoticeKind {
    /// The kind in the form that operators read.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::NewOrder => "New order",
            Self::IntakeReceived => "Intake form received",
            Self::IntakeMissing => "Intake form missing",
            Self::RevisionRequested => "Revision requested",
            Self::OrderOverdue => "Order overdue",
            Self::Dispute => "Payment disputed",
            Self::Withdrawal => "Withdrawal",
            Self::Ticket => "Ticket",
            Self::Lead => "New lead",
            Self::Complaint => "Complaint",
            Self::Incident => "Incident",
            Self::DataRequest => "Data request",
            Self::Deadline => "Deadline",
            Self::QuarantinedEvent => "Event quarantined",
            Self::DeadCall => "Deferred call dead",
            Self::MailInDoubt => "Mail in doubt",
            Self::SystemFailed => "System failed",
            Self::HighRiskText => "High-risk data",
        }
    }

    /// The mailbox that gets the mail.
    #[must_use]
    pub const fn inbox(self) -> Inbox {
        match self {
            Self::Lead => Inbox::Sales,
            Self::Ticket | Self::Complaint | Self::Incident => Inbox::Support,
            Self::QuarantinedEvent | Self::DeadCall | Self::MailInDoubt | Self::SystemFailed => Inbox::Owner,
            Self::NewOrder
            | Self::IntakeReceived
            | Self::IntakeMissing
            | Self::RevisionRequested
            | Self::OrderOverdue
            | Self::Dispute
            | Self::Withdrawal
            | Self::DataRequest
            | Self::Deadline
            | Self::HighRiskText => Inbox::Operations,
        }
    }
}

impl Severity {
    /// The severity as written before the title. It is empty for `Info`.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Info => "",
            Self::Warning => "Warning: ",
            Self::Critical => "Critical: ",
        }
    }
}

/// The text of a notice: lines without invisible characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeText(String);

/// The text is empty or too long.
#[derive(Debug, thiserror::Error)]
#[error("not the text of a notice")]
pub struct NotANoticeText;

impl NoticeText {
    /// The most characters. The narrowest channel, WhatsApp, takes 1,024 in one parameter.
    const MAX_CHARS: usize = 1_000;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NoticeText {
    type Err = NotANoticeText;

    fn from_str(text: &str) -> Result<Self, NotANoticeText> {
        let paragraphs: Paragraphs = text.parse().map_err(|_| NotANoticeText)?;
        let text = paragraphs.iter().collect::<Vec<_>>().join("\n");
        if text.chars().count() <= Self::MAX_CHARS { Ok(Self(text)) } else { Err(NotANoticeText) }
    }
}

impl Field for NoticeText {
    const EXPECTED: &'static str = "a text of 1 to 1,000 characters";
}

/// A fact to tell.
pub struct Fact {
    /// What happened.
    pub kind: NoticeKind,
    /// How urgent it is.
    pub severity: Severity,
    /// Its reference.
    pub about: About,
    /// What to tell.
    pub text: NoticeText,
    /// Where an operator finds more.
    pub link: Option<Link>,
    /// When it happened.
    pub fact_time: DateTime<Utc>,
}

/// How often the same has happened: while a notice is open, and in notices that are over.
pub struct Repeats {
    /// When it was reported for the first time.
    pub first_time: DateTime<Utc>,
    /// How often it was reported after that. 0: it is the first time.
    pub count: i32,
}

/// A notice in the form that a channel shows.
pub struct Told {
    /// What happened.
    pub kind: NoticeKind,
    /// The title, with the severity before it.
    pub title: String,
    /// The text, in lines. The last line says how often the same has happened, unless it is the first time.
    pub text: String,
    /// Where an operator finds more; empty if there is nothing.
    pub link: String,
}

impl Told {
    /// The shown form of a notice with this text and link.
    #[must_use]
    pub fn new(kind: NoticeKind, severity: Severity, text: String, link: String, repeats: &Repeats) -> Self {
        let title = format!("{}{}", severity.prefix(), kind.title());
        let text = if repeats.count == 0 {
            text
        } else {
            let first = repeats.first_time.format("%Y-%m-%d %H:%M UTC");
            format!("{text}\nFirst seen: {first}. Times since then: {}.", repeats.count)
        };
        Self { kind, title, text, link }
    }

    /// The notice in the HTML that Telegram takes (<https://core.telegram.org/bots/api#html-style>): `<`, `>`, `&` and quotes are
    /// escaped, and nothing else is markup.
    #[must_use]
    pub fn telegram_html(&self) -> String {
        let mut html = format!("<b>{}</b>\n{}", escape_html(&self.title), escape_html(&self.text));
        if !self.link.is_empty() {
            let link = escape_html(&self.link);
            html = format!("{html}\n<a href=\"{link}\">{link}</a>");
        }
        html
    }

    /// The notice as the text of a Slack message (<https://docs.slack.dev/messaging/formatting-message-text>): `&`, `<` and `>`
    /// are escaped, so that no text can mention a channel or forge a link. The message is sent with `mrkdwn: false`, so that
    /// other characters are not markup either.
    #[must_use]
    pub fn slack_text(&self) -> String {
        let mut text = format!("{}\n{}", escape_slack(&self.title), escape_slack(&self.text));
        if !self.link.is_empty() {
            text = format!("{text}\n<{}>", escape_slack(&self.link));
        }
        text
    }

    /// The parameter of the approved WhatsApp template: one line, because the API refuses line breaks, tabs and runs of spaces,
    /// and at most 1,024 characters.
    #[must_use]
    pub fn whatsapp_parameter(&self) -> String {
        let all = [&self.title, &self.text, &self.link];
        let parts: Vec<_> = all.into_iter().filter(|part| !part.is_empty()).map(String::as_str).collect();
        let line = parts.join(" · ").split_whitespace().collect::<Vec<_>>().join(" ");
        if line.chars().count() <= 1_024 {
            return line;
        }
        line.chars().take(1_023).chain(['…']).collect()
    }
}

fn escape_html(text: &str) -> String {
    escape_slack(text).replace('"', "&quot;")
}

fn escape_slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Told {
        seen(text, 0)
    }

    fn seen(text: &str, count: i32) -> Told {
        let link = "https://levqor.ai/orders?a=1&b=2".to_owned();
        let repeats = Repeats { first_time: DateTime::UNIX_EPOCH, count };
        Told::new(NoticeKind::Ticket, Severity::Critical, text.to_owned(), link, &repeats)
    }

    #[test]
    fn a_notice_says_how_often_the_same_has_happened() {
        assert_eq!(told("one").text, "one");
        assert_eq!(seen("one", 2).text, "one\nFirst seen: 1970-01-01 00:00 UTC. Times since then: 2.");
    }

    #[test]
    fn no_channel_takes_text_for_markup() {
        let told = told("<b>x</b> & \"y\" <!channel> *z*\n<https://evil.example|here>");
        assert_eq!(
            told.telegram_html(),
            "<b>Critical: Ticket</b>\n&lt;b&gt;x&lt;/b&gt; &amp; &quot;y&quot; &lt;!channel&gt; *z*\n\
             &lt;https://evil.example|here&gt;\n\
             <a href=\"https://levqor.ai/orders?a=1&amp;b=2\">https://levqor.ai/orders?a=1&amp;b=2</a>"
        );
        assert_eq!(
            told.slack_text(),
            "Critical: Ticket\n&lt;b&gt;x&lt;/b&gt; &amp; \"y\" &lt;!channel&gt; *z*\n&lt;https://evil.example|here&gt;\n\
             <https://levqor.ai/orders?a=1&amp;b=2>"
        );
    }

    #[test]
    fn whatsapp_gets_one_line_that_its_api_takes() {
        let parameter = told("one\ntwo\t three     four").whatsapp_parameter();
        assert_eq!(parameter, "Critical: Ticket · one two three four · https://levqor.ai/orders?a=1&b=2");
        let long = told(&"x".repeat(1_000)).whatsapp_parameter();
        assert_eq!(long.chars().count(), 1_024);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn a_text_has_lines_and_a_length() {
        assert_eq!("  a \n\n b\u{202e} ".parse::<NoticeText>().expect("a text").as_str(), "a\nb");
        assert!("x".repeat(1_001).parse::<NoticeText>().is_err());
        assert!(" \n".parse::<NoticeText>().is_err());
    }
}
