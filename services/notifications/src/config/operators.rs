//! The settings of the operators' channels.

use levqor_runtime::{
    client::ApiBase,
    config::{Reader, Setting},
    email::Email,
};
use secrecy::{ExposeSecret, SecretString};

use super::endpoint::Endpoint;
use crate::domain::operator_notice::Inbox;

/// The channels that are set.
#[derive(Clone)]
pub struct OperatorsConfig {
    /// `TELEGRAM_*`
    pub(crate) telegram: Option<TelegramConfig>,
    /// `SLACK_WEBHOOK_URL`
    pub(crate) slack: Option<Endpoint>,
    /// `WHATSAPP_*`
    pub(crate) whatsapp: Option<WhatsappConfig>,
    /// `RECEIVING_EMAIL`, `OWNER_EMAIL`, `SALES_EMAIL`, `SUPPORT_EMAIL`
    pub(crate) inboxes: Inboxes,
}

/// A bot and a chat of Telegram.
#[derive(Clone)]
pub(crate) struct TelegramConfig {
    pub(crate) base: ApiBase,
    pub(crate) token: SecretString,
    pub(crate) chat_id: String,
}

/// A sender of WhatsApp, the phone that it writes to, and the template that it uses.
#[derive(Clone)]
pub(crate) struct WhatsappConfig {
    pub(crate) api: Endpoint,
    pub(crate) access_token: SecretString,
    pub(crate) sender_id: String,
    pub(crate) admin_phone: SecretString,
    pub(crate) template: String,
    pub(crate) language: String,
}

/// Our mailboxes.
#[derive(Clone, Default)]
pub struct Inboxes {
    /// `RECEIVING_EMAIL`
    pub receiving: Option<Email>,
    /// `OWNER_EMAIL`
    pub owner: Option<Email>,
    /// `SALES_EMAIL`
    pub sales: Option<Email>,
    /// `SUPPORT_EMAIL`
    pub support: Option<Email>,
}

impl Inboxes {
    /// The address of a mailbox. `RECEIVING_EMAIL` also gets the mail of a mailbox that is not set.
    #[must_use]
    pub fn address(&self, inbox: Inbox) -> Option<&Email> {
        let own = match inbox {
            Inbox::Operations => &self.receiving,
            Inbox::Owner => &self.owner,
            Inbox::Sales => &self.sales,
            Inbox::Support => &self.support,
        };
        own.as_ref().or(self.receiving.as_ref())
    }

    /// The settings of the mailboxes that are not set.
    pub(crate) fn unset(&self) -> Vec<&'static str> {
        let all = [
            (&RECEIVING, &self.receiving),
            (&OWNER, &self.owner),
            (&SALES, &self.sales),
            (&SUPPORT, &self.support),
        ];
        let unset = all.into_iter().filter(|(_, address)| address.is_none());
        unset.map(|(name, _)| *name).collect()
    }
}

const RECEIVING: &str = "RECEIVING_EMAIL";
const OWNER: &str = "OWNER_EMAIL";
const SALES: &str = "SALES_EMAIL";
const SUPPORT: &str = "SUPPORT_EMAIL";

const RECEIVING_EMAIL: Setting = Setting::plain(
    RECEIVING,
    None,
    "Mailbox of ours for what happens in the business (new orders, deadlines) and for the digests. It also gets the mail of the \
     mailboxes below that are not set.",
);
const OWNER_EMAIL: Setting = Setting::plain(
    OWNER,
    None,
    "Mailbox of ours for what fails: dead calls, quarantined events, mails in doubt, and the daily error summary.",
);
const SALES_EMAIL: Setting = Setting::plain(SALES, None, "Mailbox of ours for leads.");
const SUPPORT_EMAIL: Setting =
    Setting::plain(SUPPORT, None, "Mailbox of ours for tickets, complaints and incidents.");

const TELEGRAM_TOKEN: Setting = Setting::secret(
    "TELEGRAM_BOT_TOKEN",
    "Token of a Telegram bot (`123456:…`): operators are told in the chat TELEGRAM_CHAT_ID.",
);
const TELEGRAM_CHAT: Setting = Setting::plain(
    "TELEGRAM_CHAT_ID",
    None,
    "Chat of Telegram in which the bot is: a number, or `@name` of a public channel.",
);
const TELEGRAM_BASE: Setting =
    Setting::plain("TELEGRAM_API_BASE", Some("https://api.telegram.org"), "Base URL of Telegram's Bot API.");
const SLACK_WEBHOOK: Setting = Setting::secret(
    "SLACK_WEBHOOK_URL",
    "Incoming webhook of Slack (`https://hooks.slack.com/services/…`): operators are told in its channel.",
);
const WHATSAPP_URL: Setting = Setting::plain(
    "WHATSAPP_API_URL",
    Some("https://graph.facebook.com/v23.0"),
    "URL of WhatsApp's Cloud API with its version.",
);
const WHATSAPP_TOKEN: Setting = Setting::secret(
    "WHATSAPP_ACCESS_TOKEN",
    "Token of WhatsApp's Cloud API: operators are told on the phone WHATSAPP_ADMIN_PHONE.",
);
const WHATSAPP_SENDER: Setting =
    Setting::plain("WHATSAPP_SENDER_ID", None, "WhatsApp's id of the phone number that sends.");
const WHATSAPP_PHONE: Setting = Setting::secret(
    "WHATSAPP_ADMIN_PHONE",
    "Phone number that operators read WhatsApp on, in digits with the country code.",
);
const WHATSAPP_TEMPLATE: Setting = Setting::plain(
    "WHATSAPP_TEMPLATE",
    None,
    "Name of an approved WhatsApp template whose body has one parameter: the notice. Free text is refused outside of 24 hours.",
);
const WHATSAPP_LANGUAGE: Setting =
    Setting::plain("WHATSAPP_TEMPLATE_LANGUAGE", Some("en_GB"), "Language of that template.");

impl OperatorsConfig {
    /// Every setting.
    #[must_use]
    pub fn settings() -> Vec<Setting> {
        vec![
            RECEIVING_EMAIL,
            OWNER_EMAIL,
            SALES_EMAIL,
            SUPPORT_EMAIL,
            TELEGRAM_TOKEN,
            TELEGRAM_CHAT,
            TELEGRAM_BASE,
            SLACK_WEBHOOK,
            WHATSAPP_TOKEN,
            WHATSAPP_SENDER,
            WHATSAPP_PHONE,
            WHATSAPP_TEMPLATE,
            WHATSAPP_LANGUAGE,
            WHATSAPP_URL,
        ]
    }

    /// Reads every setting and reports every mistake.
    pub fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut inbox = |setting: &Setting| reader.optional(setting, "a mail address");
        let inboxes = Inboxes {
            receiving: inbox(&RECEIVING_EMAIL),
            owner: inbox(&OWNER_EMAIL),
            sales: inbox(&SALES_EMAIL),
            support: inbox(&SUPPORT_EMAIL),
        };
        // A channel with a mistake is none here: the mistake is noted, so there is no configuration.
        let telegram = telegram(reader);
        let slack = reader.secret(&SLACK_WEBHOOK).and_then(|url| {
            let endpoint = url.expose_secret().parse().ok();
            if endpoint.is_none() {
                reader.problem(&SLACK_WEBHOOK, format!("expected {}", Endpoint::EXPECTED));
            }
            endpoint
        });
        let whatsapp = whatsapp(reader);
        Some(Self { telegram, slack, whatsapp, inboxes })
    }
}

fn telegram(reader: &mut Reader<'_>) -> Option<TelegramConfig> {
    let base = reader.defaulted(&TELEGRAM_BASE, ApiBase::EXPECTED);
    let token = reader.secret(&TELEGRAM_TOKEN);
    let chat_id: Option<String> = reader.optional(&TELEGRAM_CHAT, "a chat");
    if let Some(token) = &token
        && !is_bot_token(token.expose_secret())
    {
        reader.problem(&TELEGRAM_TOKEN, "expected a number, a colon, and letters, digits, `_` and `-`");
    }
    match (token, chat_id) {
        (Some(token), Some(chat_id)) => Some(TelegramConfig { base: base?, token, chat_id }),
        (Some(_), None) => {
            reader.problem(&TELEGRAM_CHAT, "is not set, but TELEGRAM_BOT_TOKEN is");
            None
        }
        (None, Some(_)) => {
            reader.problem(&TELEGRAM_TOKEN, "is not set, but TELEGRAM_CHAT_ID is");
            None
        }
        (None, None) => None,
    }
}

/// The token becomes part of a path, so it must need no escaping there.
fn is_bot_token(token: &str) -> bool {
    token.split_once(':').is_some_and(|(bot, key)| {
        !bot.is_empty()
            && bot.bytes().all(|byte| byte.is_ascii_digit())
            && !key.is_empty()
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    })
}

fn whatsapp(reader: &mut Reader<'_>) -> Option<WhatsappConfig> {
    let api = reader.defaulted(&WHATSAPP_URL, Endpoint::EXPECTED);
    let language = reader.defaulted(&WHATSAPP_LANGUAGE, "the code of a language");
    let access_token = reader.secret(&WHATSAPP_TOKEN);
    let sender_id: Option<String> = reader.optional(&WHATSAPP_SENDER, "an id");
    let admin_phone = reader.secret(&WHATSAPP_PHONE);
    let template: Option<String> = reader.optional(&WHATSAPP_TEMPLATE, "a name");
    if let Some(phone) = &admin_phone
        && !phone.expose_secret().bytes().all(|byte| byte.is_ascii_digit())
    {
        reader.problem(&WHATSAPP_PHONE, "expected digits only, with the country code");
    }
    if let Some(sender_id) = &sender_id
        && !sender_id.bytes().all(|byte| byte.is_ascii_digit())
    {
        reader.problem(&WHATSAPP_SENDER, "expected digits only");
    }
    let given = [
        (&WHATSAPP_TOKEN, access_token.is_some()),
        (&WHATSAPP_SENDER, sender_id.is_some()),
        (&WHATSAPP_PHONE, admin_phone.is_some()),
        (&WHATSAPP_TEMPLATE, template.is_some()),
    ];
    if given.iter().any(|(_, given)| *given) {
        for (setting, _) in given.iter().filter(|(_, given)| !given) {
            reader.problem(setting, "is not set, but other settings of WhatsApp are");
        }
    }
    Some(WhatsappConfig {
        api: api?,
        access_token: access_token?,
        sender_id: sender_id?,
        admin_phone: admin_phone?,
        template: template?,
        language: language?,
    })
}

#[cfg(test)]
mod tests {
    use levqor_runtime::config::{Env, Problem, Problems};

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<OperatorsConfig, Problems> {
        let env = Env::from_pairs(pairs.iter().copied());
        let mut reader = Reader::new(&env);
        let config = OperatorsConfig::read(&mut reader);
        reader.finish(config)
    }

    #[test]
    fn every_channel_is_off_until_it_is_set() {
        let config = read(&[]).expect("a configuration");
        assert!(config.telegram.is_none() && config.slack.is_none() && config.whatsapp.is_none());
        assert_eq!(
            config.inboxes.unset(),
            ["RECEIVING_EMAIL", "OWNER_EMAIL", "SALES_EMAIL", "SUPPORT_EMAIL"]
        );
        assert!(config.inboxes.address(Inbox::Owner).is_none());
    }

    #[test]
    fn a_mailbox_that_is_not_set_is_the_receiving_one() {
        let config = read(&[("RECEIVING_EMAIL", "ops@levqor.ai"), ("SALES_EMAIL", "sales@levqor.ai")]);
        let inboxes = config.expect("a configuration").inboxes;
        for (inbox, address) in [
            (Inbox::Operations, "ops@levqor.ai"),
            (Inbox::Owner, "ops@levqor.ai"),
            (Inbox::Sales, "sales@levqor.ai"),
        ] {
            assert_eq!(inboxes.address(inbox).map(Email::as_str), Some(address));
        }
    }

    #[test]
    fn half_a_channel_is_a_mistake_and_no_secret_is_shown() {
        let Problems(problems) = read(&[
            ("TELEGRAM_BOT_TOKEN", "1:hunter2/"),
            ("SLACK_WEBHOOK_URL", "http://hunter2.example/x"),
            ("WHATSAPP_ACCESS_TOKEN", "hunter2"),
            ("WHATSAPP_ADMIN_PHONE", "+44hunter2"),
            ("OWNER_EMAIL", "hunter2"),
        ])
        .err()
        .expect("mistakes");
        let named: Vec<_> = problems.iter().map(|Problem { setting, .. }| setting.as_str()).collect();
        assert_eq!(
            named,
            [
                "OWNER_EMAIL",
                "TELEGRAM_BOT_TOKEN",
                "TELEGRAM_CHAT_ID",
                "SLACK_WEBHOOK_URL",
                "WHATSAPP_ADMIN_PHONE",
                "WHATSAPP_SENDER_ID",
                "WHATSAPP_TEMPLATE"
            ]
        );
        assert!(!Problems(problems).to_string().contains("hunter2"));
    }
}
