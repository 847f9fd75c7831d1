//! The companies that may receive personal data from notifications.

use levqor_runtime::service::Recipient;

use crate::config::{Config, mail::ProviderName};

/// The mail that a provider gets.
const OF_MAIL: &[&str] = &["EMAIL", "NAME", "MESSAGE"];
const SENDS: &str = "Sends mails: the address, the name and the text of each.";
const TELLS: &str = "Tells operators what happens. The notices name nobody.";

/// The companies, those that are off included.
pub(crate) fn recipients(config: &Config) -> Vec<Recipient> {
    let (mail, operators) = (&config.mail, &config.operators);
    let resend = mail.order.contains(&ProviderName::Resend).then(|| mail.resend_base.host());
    let smtp = mail.smtp_url.as_ref().filter(|_| mail.order.contains(&ProviderName::Smtp));
    let telegram = operators.telegram.as_ref().map(|telegram| telegram.base.host());
    let slack = operators.slack.as_ref().map(|slack| slack.base.host());
    let whatsapp = operators.whatsapp.as_ref().map(|whatsapp| whatsapp.api.base.host());
    vec![
        Recipient::new(
            "Resend",
            "Sends and receives mails: the address, the name and the text of each.",
            OF_MAIL,
            "RESEND_API_KEY",
        )
        .at(resend),
        Recipient::new("The provider of the SMTP server", SENDS, OF_MAIL, "SMTP_URL")
            .at(smtp.map(|url| url.host.as_str())),
        Recipient::new("Telegram", TELLS, &[], "TELEGRAM_BOT_TOKEN").at(telegram),
        Recipient::new("Slack", TELLS, &[], "SLACK_WEBHOOK_URL").at(slack),
        Recipient::new("WhatsApp", TELLS, &[], "WHATSAPP_ACCESS_TOKEN").at(whatsapp),
    ]
}

#[cfg(test)]
mod tests {
    use levqor_runtime::config::{Env, Reader};

    use super::*;

    fn active(settings: &[(&str, &str)]) -> Vec<(&'static str, Option<String>)> {
        let key = ("LEVQOR_ADDRESS_KEY", "the address key of tests which is long enough");
        let env = Env::from_pairs(settings.iter().copied().chain([key]));
        let config = Config::read(&mut Reader::new(&env)).expect("a configuration");
        recipients(&config).into_iter().filter(|it| it.is_active).map(|it| (it.name, it.host)).collect()
    }

    #[test]
    fn a_provider_of_mail_and_a_channel_of_operators_follow_the_settings() {
        assert!(active(&[]).is_empty());
        let resend = ("RESEND_API_KEY", "re_1");
        assert_eq!(active(&[resend]), [("Resend", Some("api.resend.com".to_owned()))]);
        let smtp = ("SMTP_URL", "smtps://user:hunter2@mail.example.com:465");
        let smtp_only = active(&[resend, smtp, ("LEVQOR_MAIL_PROVIDERS", "smtp")]);
        let host = Some("mail.example.com".to_owned());
        assert_eq!(smtp_only, [("The provider of the SMTP server", host)]);
        let slack = active(&[("SLACK_WEBHOOK_URL", "https://hooks.slack.com/services/a/b/c")]);
        assert_eq!(slack, [("Slack", Some("hooks.slack.com".to_owned()))]);
        let telegram = active(&[("TELEGRAM_BOT_TOKEN", "123456:abc"), ("TELEGRAM_CHAT_ID", "-100123")]);
        assert_eq!(telegram, [("Telegram", Some("api.telegram.org".to_owned()))]);
    }
}
