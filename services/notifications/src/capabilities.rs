//! The capabilities of this service: which features are on, and why the others are off or have failed.

use levqor_runtime::service::Capability;

use crate::{
    Notifications,
    config::mail::ProviderName,
    domain::delivery::KeyHours,
    provider::{Placed, Provider},
};

/// All capabilities.
pub(crate) fn capabilities(notifications: &Notifications) -> Vec<Capability> {
    let resend = match notifications.providers.resend() {
        Some((placed, resend)) => placed.health.capability(says_how(resend.key_hours())),
        None => off("mail_resend", "RESEND_API_KEY", notifications.config.mail.resend_key.is_some()),
    };
    let webhooks = notifications.webhooks.capability("resend_webhooks", "bounces are not known");
    let bounces = bounces(notifications, webhooks.is_on());
    let mut all = vec![mailbox(notifications), resend, webhooks, smtp(notifications), bounces];
    all.push(inbound_mail(notifications));
    all.extend(notifications.operators.capabilities());
    all
}

fn mailbox(notifications: &Notifications) -> Capability {
    match notifications.config.mail.order.first() {
        None | Some(ProviderName::Mailbox) => {
            Capability::on("mail_mailbox", "mail stays in the local mailbox; no provider sends it out")
        }
        Some(ProviderName::Resend) => Capability::off("mail_mailbox", "RESEND_API_KEY is set: mail goes out"),
        Some(ProviderName::Smtp) => Capability::off("mail_mailbox", "SMTP_URL is set: mail goes out"),
    }
}

fn smtp(notifications: &Notifications) -> Capability {
    let mut providers = notifications.providers.iter().enumerate();
    let smtp: Option<(usize, &Placed)> = providers.find(|(_, it)| matches!(it.provider, Provider::Smtp(_)));
    match smtp {
        Some((0, first)) => first.health.capability(
            "mail goes out through the server of SMTP_URL: what it may have taken waits IN_DOUBT for a person".to_owned(),
        ),
        Some((_, fallback)) => fallback.health.capability(
            "a mail that the provider before it certainly did not take goes out through the server of SMTP_URL".to_owned(),
        ),
        None => off("mail_smtp", "SMTP_URL", notifications.config.mail.smtp_url.is_some()),
    }
}

/// Whether received mails are taken.
fn inbound_mail(notifications: &Notifications) -> Capability {
    let name = "inbound_mail";
    match &notifications.config.inbound_domain {
        None => Capability::off(name, "LEVQOR_INBOUND_DOMAIN is not set"),
        Some(_) if notifications.providers.resend().is_none() => {
            Capability::off(name, "RESEND_API_KEY is not set: only Resend receives mail")
        }
        Some(_) if notifications.config.resend_webhook_keys.is_empty() => {
            Capability::off(name, "RESEND_WEBHOOK_SECRET is not set: Resend cannot tell of a received mail")
        }
        Some(domain) => Capability::on(name, format!("mails to {} go to support", domain.as_str())),
    }
}

/// A provider that takes no mail: it is not set up, or the order of providers leaves it out.
fn off(name: &'static str, setting: &str, is_set: bool) -> Capability {
    if is_set {
        Capability::off(name, "LEVQOR_MAIL_PROVIDERS leaves it out")
    } else {
        Capability::off(name, format!("{setting} is not set"))
    }
}

/// Whether bounces and complaints become known, and so suppress addresses.
fn bounces(notifications: &Notifications, webhooks: bool) -> Capability {
    let name = "suppressions";
    if notifications.providers.resend().is_some() {
        match (webhooks, notifications.sweep_health.refusal()) {
            (true, _) => {
                Capability::on(name, "bounces and complaints suppress addresses: webhooks report them")
            }
            (false, None) => Capability::on(
                name,
                "complaints and repeated bounces suppress addresses: Resend's list of mails tells them",
            ),
            (false, Some(what)) => Capability::failed(
                name,
                format!(
                    "RESEND_WEBHOOK_SECRET is not set, and the list of mails is refused with {what}: bounces are not known"
                ),
            ),
        }
    } else if notifications.config.mail.order.contains(&ProviderName::Smtp) {
        Capability::on(
            name,
            "an address that the server of SMTP_URL refuses at once is suppressed; later bounces are not known",
        )
    } else {
        Capability::on(name, "staff can suppress addresses; the local mailbox knows no bounces")
    }
}

/// Says how mail goes out through Resend: the text of the capability for staff.
fn says_how(key_hours: KeyHours) -> String {
    match key_hours.get() {
        0 => "mail goes out through the API at RESEND_API_BASE, which honours no idempotency keys: what it may have taken \
              waits IN_DOUBT for a person"
            .to_owned(),
        hours => format!(
            "mail goes out through the API at RESEND_API_BASE, under keys that it honours for {hours} hours"
        ),
    }
}
