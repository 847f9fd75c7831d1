//! The checks of the operators' channels. They send nothing: Telegram says who the bot is and which chat it sees,
//! Slack refuses a message without text, WhatsApp shows its sender.

use levqor_runtime::check::{Check, Finding};

use crate::{
    config::operators::OperatorsConfig,
    operators::{Answer, slack::Slack, telegram::Telegram, whatsapp::Whatsapp},
};

const TELEGRAM: &str = "notifications.operators_telegram";
const SLACK: &str = "notifications.operators_slack";
const WHATSAPP: &str = "notifications.operators_whatsapp";
const MAIL: &str = "notifications.operators_mail";

/// One line for each channel.
pub(super) fn checks(config: &OperatorsConfig) -> Vec<Check> {
    vec![mail(config), telegram(config), slack(config), whatsapp(config)]
}

fn mail(config: &OperatorsConfig) -> Check {
    let unset = config.inboxes.unset();
    let finding = match (&config.inboxes.receiving, unset.as_slice()) {
        (_, []) => Finding::on("each of our mailboxes is set"),
        (Some(_), unset) => {
            Finding::on(format!("RECEIVING_EMAIL also gets the mail of {}, not set", unset.join(", ")))
        }
        (None, _) => Finding::not_set("RECEIVING_EMAIL", "a mailbox of ours"),
    };
    Check::known(MAIL, finding)
}

fn telegram(config: &OperatorsConfig) -> Check {
    let Some(config) = config.telegram.clone() else {
        return Check::known(
            TELEGRAM,
            Finding::not_set("TELEGRAM_BOT_TOKEN", "the token of a bot, and TELEGRAM_CHAT_ID to its chat"),
        );
    };
    Check::new(TELEGRAM, format!("getMe and getChat at {}", config.base), async move {
        let Ok(telegram) = Telegram::try_new(config) else { return no_client() };
        match telegram.status_of("getMe").await {
            Ok(200) => {}
            Ok(401 | 404) => return Finding::failed("TELEGRAM_BOT_TOKEN is refused"),
            Ok(status) => return Finding::failed(format!("getMe answered {status}")),
            Err(answer) => return unanswered(&answer),
        }
        match telegram.status_of("getChat").await {
            Ok(200) => Finding::on("the bot is known, and sees the chat TELEGRAM_CHAT_ID"),
            Ok(400 | 403) => {
                Finding::failed("the bot is known, but it does not see the chat TELEGRAM_CHAT_ID")
            }
            Ok(status) => Finding::failed(format!("getChat answered {status}")),
            Err(answer) => unanswered(&answer),
        }
    })
}

fn slack(config: &OperatorsConfig) -> Check {
    let Some(webhook) = config.slack.clone() else {
        return Check::known(SLACK, Finding::not_set("SLACK_WEBHOOK_URL", "an incoming webhook of Slack"));
    };
    Check::new(SLACK, format!("a message without text to {}", webhook.base), async move {
        let Ok(slack) = Slack::try_new(webhook) else { return no_client() };
        match slack.refusal_of_nothing().await {
            Ok((400, _)) => Finding::on("the webhook is there, and refuses a message without text"),
            Ok((403 | 404 | 410, word)) => {
                Finding::failed(format!("the webhook takes nothing: {}", word.unwrap_or_default()))
            }
            Ok((status, word)) => {
                let word = word.unwrap_or_default();
                Finding::warning(format!("it answered {status} {word}, so the webhook is not proven"))
            }
            Err(answer) => unanswered(&answer),
        }
    })
}

fn whatsapp(config: &OperatorsConfig) -> Check {
    let Some(config) = config.whatsapp.clone() else {
        let what = "a token of WhatsApp's Cloud API, with WHATSAPP_SENDER_ID, WHATSAPP_ADMIN_PHONE and WHATSAPP_TEMPLATE";
        return Check::known(WHATSAPP, Finding::not_set("WHATSAPP_ACCESS_TOKEN", what));
    };
    Check::new(WHATSAPP, format!("GET the sender at {}", config.api.base), async move {
        let Ok(whatsapp) = Whatsapp::try_new(config) else { return no_client() };
        match whatsapp.status_of_sender().await {
            Ok(200) => Finding::on("the token sees the sender; the template is proven only by a notice"),
            Ok(401 | 403) => Finding::failed("WHATSAPP_ACCESS_TOKEN is refused"),
            Ok(400 | 404) => Finding::failed("the token does not see the sender WHATSAPP_SENDER_ID"),
            Ok(status) => Finding::failed(format!("it answered {status}")),
            Err(answer) => unanswered(&answer),
        }
    })
}

fn no_client() -> Finding {
    Finding::failed("no HTTP client can be made")
}

fn unanswered(answer: &Answer) -> Finding {
    match answer {
        Answer::NotTaken { what, .. } | Answer::Unknown(what) => Finding::failed(what.clone()),
        Answer::Taken(_) => Finding::on("it answered"),
    }
}
