//! The words of the assistant. All of them are ours, except a passage that an answer quotes, and a language model's text.

use chrono::{DateTime, Utc};
use chrono_tz::Europe::London;

use levqor_runtime::site::SiteUrl;

use super::{
    business_hours::{BusinessHours, CLOSING_HOUR, OPENING_HOUR},
    own_data::OwnTopic,
    ticket::Ticket,
    ticket_state::State,
    turn::HandOffReason,
};

/// The first message of a conversation (Regulation (EU) 2024/1689, article 50(1) and (2)). `has_model`: an AI writes answers.
pub(crate) fn notice(has_model: bool) -> String {
    if has_model { NOTICE_OF_MODEL } else { NOTICE }.to_owned()
}

const NOTICE_OF_MODEL: &str = "You are chatting with a program, not with a person. An AI writes its answers from our help articles, and names \
     them; sometimes it quotes an article instead. If you have signed in, it can also look at your own orders, subscription and tickets. If you want a person, say so at any time: somebody from our team takes over.";
const NOTICE: &str = "You are chatting with a program, not with a person. It answers with passages from our help articles and, if you have signed in, from \
     your own orders, subscription and tickets. If you want a person, \
     say so at any time: somebody from our team takes over.";

/// The reply to a greeting or a thanks.
pub(crate) const ACKNOWLEDGED: &str = "Hello! I am a program that answers questions about Levqor from our help articles. What would you like to know?";

/// The reply to a question without an answer.
pub(crate) const NOT_KNOWN: &str = "I do not know the answer: I found nothing about it in our help articles. You can ask in other words, or a person from our team \
     can help you. Shall I hand you over to a person?";

/// The reply where the answer before did not help.
pub(crate) const APOLOGY: &str =
    "I am sorry that this did not help. Shall I hand you over to a person? You can also ask in other words.";

/// The reply where a person returned the conversation.
pub(crate) const RETURNED: &str = "The person has left the conversation, and the program answers again. If you need a person, say so at any time.";

/// An answer: a passage and where it is from.
pub(crate) fn quote(title: &str, passage: &str) -> String {
    format!(
        "From our help article “{title}”:\n\n{passage}\n\nIf this is not what you need, ask for a person."
    )
}

/// The answer if a better passage has a placeholder whose value is not known: it quotes the next passage.
pub(crate) fn quote_instead(title: &str, passage: &str) -> String {
    format!(
        "I cannot look up some of the figures that you may be asking for right now: the service that has them does not answer. This is what \
         else our help article “{title}” says:\n\n{passage}\n\nYou can ask again in a few minutes, or ask for a person."
    )
}

/// An answer from the customer's own account.
pub(crate) fn own(topic: OwnTopic, text: &str) -> String {
    let topic = topic.in_words();
    format!("From your own account ({topic}):\n\n{text}\n\nIf this is not what you need, ask for a person.")
}

/// The reply where the service that has the customer's data does not answer.
pub(crate) fn own_unavailable(topic: OwnTopic) -> String {
    let topic = topic.in_words();
    format!(
        "I cannot look at your {topic} right now: the service that has this data does not answer. You can ask again in a few minutes, or \
         a person from our team can help you. Shall I hand you over to a person?"
    )
}

/// The reply to a question about an account that was not read for this message.
pub(crate) fn ask_again(topic: OwnTopic) -> String {
    format!("I have not looked at your {} yet. Please ask once more, or ask for a person.", topic.in_words())
}

/// The reply to a question about the own account, if the customer has not signed in.
pub(crate) fn sign_in(topic: OwnTopic, site: &SiteUrl) -> String {
    let topic = topic.in_words();
    format!(
        "I show a customer's {topic} only to that customer. Sign in at {site}, begin a new chat there, and ask me again."
    )
}

/// An answer that the language model wrote, with its sources: articles, the customer's own account (`is_own`), or both.
pub(crate) fn written(text: &str, titles: &[&str], is_own: bool) -> String {
    let titles: Vec<_> = titles.iter().map(|title| format!("“{title}”")).collect();
    let (article, names) = (if titles.len() == 1 { "article" } else { "articles" }, titles.join(", "));
    let articles = format!("our help {article} {names}");
    let from = match (is_own, titles.is_empty()) {
        (true, true) => "your own account".to_owned(),
        (true, false) => format!("your own account and {articles}"),
        (false, _) => articles,
    };
    format!("{text}\n\nAn AI wrote this from {from}. If this is not what you need, ask for a person.")
}

/// What happens next, after a conversation went to a person.
pub(crate) fn handed_off(
    ticket: &Ticket,
    reason: HandOffReason,
    now: DateTime<Utc>,
    hours: &BusinessHours,
) -> String {
    let number = ticket.number;
    let begin = if reason == HandOffReason::Taken {
        format!("A person from our team has joined the conversation. Your ticket is {number}.")
    } else {
        format!("A person takes over. Your ticket is {number}, and what you wrote here is in it.")
    };
    format!("{begin} {}{}", when(ticket, now, hours), how(ticket))
}

/// The reply to a message that was added to a ticket.
pub(crate) fn forwarded(ticket: &Ticket, now: DateTime<Utc>, hours: &BusinessHours) -> String {
    let number = ticket.number;
    format!("I added your message to ticket {number}. {}{}", when(ticket, now, hours), how(ticket))
}

/// The reply to another request for a person.
pub(crate) fn waiting(ticket: &Ticket, now: DateTime<Utc>, hours: &BusinessHours) -> String {
    let number = ticket.number;
    format!("A person has your ticket {number}. {}{}", when(ticket, now, hours), how(ticket))
}

/// When a person replies.
fn when(ticket: &Ticket, now: DateTime<Utc>, hours: &BusinessHours) -> String {
    let waits_for_first = ticket.first_reply_time.is_none() && ticket.state != State::Solved;
    let due = if waits_for_first && now < ticket.first_reply_due_time {
        let due = ticket.first_reply_due_time.with_timezone(&London);
        format!("Somebody replies by {}.", due.format("%-d %B %Y, %H:%M (London time)"))
    } else {
        "Somebody replies as soon as possible.".to_owned()
    };
    if hours.are_now(now) {
        due
    } else {
        format!(
            "{due} Our team is away now: it works Monday to Friday, {OPENING_HOUR}:00 to {CLOSING_HOUR}:00 in London, except on bank \
             holidays."
        )
    }
}

/// How the reply reaches the customer.
fn how(ticket: &Ticket) -> &'static str {
    if ticket.customer.email.is_some() {
        " The reply comes by mail, and you find it here."
    } else {
        " You find the reply here. If you also want it by mail, give us your address."
    }
}
